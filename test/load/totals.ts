/** How far a client is. */
export interface Totals {
  sent: number;
  accepted: number;
  refused: number;
  /** Calls given up after the last try. */
  failed: number;
  /** Tries that failed, given up or not. */
  failedTries: number;
  /** The same by code and reason. */
  readonly failures: Record<string, number>;
}

export const noTotals = (): Totals => ({
  sent: 0,
  accepted: 0,
  refused: 0,
  failed: 0,
  failedTries: 0,
  failures: {},
});
