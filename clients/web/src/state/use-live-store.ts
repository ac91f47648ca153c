import { useEffect, useState } from 'preact/hooks';
import { inventory } from '../api/client.js';
import { LiveStore, type LiveView, NOTHING_YET } from './live-store.js';
import type { NewestStocks } from './newest-stocks.js';

/** A page that nobody has looked at for so long gives its connection back: browsers have few to one service. */
const HIDDEN_MS = 30_000;

/** Follows the changes of a store while it is shown; none where it is empty. */
export function useLiveStore(storeId: string, stocks: NewestStocks): LiveView {
  const [known, setKnown] = useState({ storeId, view: NOTHING_YET });
  useEffect(() => {
    if (storeId === '') return;
    let shown = true;
    const live = new LiveStore({
      // A stream has no deadline.
      open: (cursor, signal) => inventory.watch({ storeId, cursor }, { signal, timeoutMs: 0 }),
      wait: waitOrOnline,
      note: stocks.noteAll,
      forget: stocks.forget,
      changed: (view) => shown && setKnown({ storeId, view }),
    });
    live.start();
    const stopLooking = whileHidden(live);
    return () => {
      shown = false;
      stopLooking();
      live.pause();
    };
  }, [storeId]);
  return known.storeId === storeId ? known.view : NOTHING_YET;
}

/** Pauses it once the page was hidden for long, and starts it when it is looked at again. */
function whileHidden(live: LiveStore): () => void {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const look = () => {
    clearTimeout(timer);
    if (document.hidden) timer = setTimeout(() => live.pause(), HIDDEN_MS);
    else live.start();
  };
  document.addEventListener('visibilitychange', look);
  look();
  return () => {
    clearTimeout(timer);
    document.removeEventListener('visibilitychange', look);
  };
}

/** Waits, but no longer than until the device is online again. */
function waitOrOnline(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      removeEventListener('online', done);
      signal.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    addEventListener('online', done);
    signal.addEventListener('abort', done);
  });
}
