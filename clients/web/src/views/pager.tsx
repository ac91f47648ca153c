import type { Go, Place } from '../state/place.js';

interface PagerProps {
  readonly place: Place;
  readonly go: Go;
  /** Empty on the last page. */
  readonly nextToken: string;
}

/** From page to page. Lists know only what comes next; the pages gone through are in the place. */
export function Pager({ place, go, nextToken }: PagerProps) {
  const { pages } = place;
  if (pages.length === 0 && nextToken === '') return null;
  const turn = (to: readonly string[] | undefined) => () => {
    if (to !== undefined) go({ ...place, pages: to });
  };
  const previous = pages.length > 0 ? pages.slice(0, -1) : undefined;
  const next = nextToken !== '' ? [...pages, nextToken] : undefined;
  return (
    <nav class="pager" aria-label="Pages">
      <button type="button" onClick={turn(previous)} aria-disabled={previous === undefined}>
        Previous
      </button>
      <span>Page {pages.length + 1}</span>
      <button type="button" onClick={turn(next)} aria-disabled={next === undefined}>
        Next
      </button>
    </nav>
  );
}
