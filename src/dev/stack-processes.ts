/** The names under which the stack's processes are registered, in the order in which they stop, and how each is asked to. */
export const stackProcesses = [
  { name: 'service', title: 'the service', signal: 'SIGTERM', waitMs: 25_000, atOnce: 'SIGKILL' },
  {
    name: 'postgres-replica',
    title: 'the PostgreSQL replica',
    signal: 'SIGINT',
    waitMs: 20_000,
    atOnce: 'SIGQUIT',
  },
  { name: 'redis', title: 'Redis', signal: 'SIGTERM', waitMs: 5_000, atOnce: 'SIGKILL' },
  {
    name: 'postgres-primary',
    title: 'the PostgreSQL primary',
    signal: 'SIGINT',
    waitMs: 20_000,
    atOnce: 'SIGQUIT',
  },
] as const;

/** What a person may stop and start by itself while the rest goes on. */
export type HoldableProcess = 'redis' | 'postgres-replica';
