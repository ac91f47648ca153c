import type { Connection } from '../state/live-store.js';

const TEXTS: Readonly<Record<Connection, string>> = {
  'catching-up': 'Catching up …',
  live: 'Live',
  reconnecting: 'Reconnecting …',
  paused: 'Paused',
  off: 'Not live',
};

/** Whether changes come as they happen. Told to those who listen when they have a moment. */
export function ConnectionState({ connection }: { readonly connection: Connection }) {
  return (
    <p class={`connection connection-${connection}`} aria-live="polite">
      {TEXTS[connection]}
    </p>
  );
}
