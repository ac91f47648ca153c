const intervalMs = 500;

/**
 * Calls back once when the process that npm started us through is gone. npm passes SIGTERM on to its shell, not to us
 * behind it; without this a stopped npm would leave us running.
 */
export function whenNpmIsGone(callback: () => void): void {
  if (!startedByNpm()) return;
  const parent = process.ppid;
  const timer = setInterval(() => {
    if (process.ppid === parent) return;
    clearInterval(timer);
    callback();
  }, intervalMs);
  timer.unref();
}

/** Whether this process runs as an npm script; else its parent may leave without meaning us. */
export function startedByNpm(): boolean {
  return process.env.npm_lifecycle_event !== undefined;
}
