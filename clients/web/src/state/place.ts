import { useEffect, useState } from 'preact/hooks';

/** Where the person is: what the address bar says. */
export interface Place {
  /** Empty where none is chosen. */
  readonly store: string;
  /** Empty where none is chosen. */
  readonly product: string;
  /** The tokens of the pages gone through, the shown one last; empty on the first page. */
  readonly pages: readonly string[];
}

export type Go = (place: Place) => void;

/** The place, and how to go to another one. The browser's own Back and Forward work too. */
export function usePlace(): [Place, Go] {
  const [place, setPlace] = useState(readPlace);
  useEffect(() => {
    const read = () => setPlace(readPlace());
    addEventListener('popstate', read);
    return () => removeEventListener('popstate', read);
  }, []);
  const go: Go = (next) => {
    history.pushState({ pages: next.pages }, '', addressOf(next));
    setPlace(next);
  };
  return [place, go];
}

/** The address of a place, so that it can be a link. */
export function addressOf({ store, product, pages }: Place): string {
  const query = new URLSearchParams();
  if (store !== '') query.set('store', store);
  if (product !== '') query.set('product', product);
  const page = pages.at(-1);
  if (page !== undefined) query.set('page', page);
  return query.size === 0 ? '/' : `/?${query}`;
}

function readPlace(): Place {
  const query = new URLSearchParams(location.search);
  const page = query.get('page');
  const gone: unknown = history.state?.pages;
  const pages = Array.isArray(gone) && gone.at(-1) === page ? gone : page === null ? [] : [page];
  return { store: query.get('store') ?? '', product: query.get('product') ?? '', pages };
}
