import { readFileSync, writeFileSync } from 'node:fs';

const KB_PER_MB = 1_024;

/** Begins to look for the most memory that a process has from now on. */
export function forgetPeakMemory(pid: number): void {
  try {
    writeFileSync(`/proc/${pid}/clear_refs`, '5');
  } catch {
    // Where the system does not tell, peakMemoryMb says so.
  }
}

/** The most memory that a process had resident since then, in MB, where Linux tells it; NaN elsewhere. */
export function peakMemoryMb(pid: number): number {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8');
    return Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1] ?? Number.NaN) / KB_PER_MB;
  } catch {
    return Number.NaN;
  }
}
