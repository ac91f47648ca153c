import { readFileSync } from 'node:fs';

/** One clock for all processes of a machine. */
export const nowMs = (): number => Number(process.hrtime.bigint()) / 1e6;

/** Processor time that any process has had, to the nanosecond where Linux tells it; NaN elsewhere. */
export function cpuSecondsOf(pid: number): number {
  try {
    return Number(readFileSync(`/proc/${pid}/schedstat`, 'utf8').split(' ')[0]) / 1e9;
  } catch {
    return Number.NaN;
  }
}
