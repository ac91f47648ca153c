/**
 * Loaded before a service (`--import`): after SIGUSR2 it stops itself as soon as a read of the database has come back, before
 * what was read goes into the caches. SIGCONT lets it go on.
 */

declare global {
  /** Called between the two; see `stoppingBeforeFills`. */
  var stopBeforeFill: () => void;
}

let isAsked = false;

process.on('SIGUSR2', () => {
  isAsked = true;
});

globalThis.stopBeforeFill = () => {
  if (!isAsked) return;
  isAsked = false;
  process.kill(process.pid, 'SIGSTOP');
};
