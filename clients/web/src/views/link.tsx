import type { ComponentChildren } from 'preact';
import { addressOf, type Go, type Place } from '../state/place.js';

interface LinkProps {
  readonly to: Place;
  readonly go: Go;
  readonly children: ComponentChildren;
  readonly class?: string;
  /** Marks the link to what is shown. */
  readonly current?: boolean;
}

/** A true link to a place: it opens in the page, or in another tab as any link does. */
export function Link({ to, go, children, current = false, ...attributes }: LinkProps) {
  const follow = (event: MouseEvent) => {
    if (event.button !== 0 || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    go(to);
  };
  return (
    <a href={addressOf(to)} onClick={follow} {...attributes} {...(current && { 'aria-current': 'true' })}>
      {children}
    </a>
  );
}
