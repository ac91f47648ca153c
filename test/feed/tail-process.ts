import { createInterface } from 'node:readline';
import type { Position } from '../../src/feed/tail.js';
import { Tail } from '../../src/feed/tail.js';
import { LEDGER_SESSION_SETTINGS } from '../../src/ledger/ledger.js';
import { Cluster } from '../../src/postgres/cluster.js';

/**
 * The feed alone, in a process of its own, so that it can be a mutant: `node tail-process.js <database URL>…` writes a line
 * for each poll that delivered something, and ends when its input does.
 */

/** A line: that the feed has begun (anew), or what a poll delivered. */
export type Line =
  | { readonly began: true }
  | { readonly changes: readonly DeliveredChange[] }
  | { readonly failed: string };

export interface DeliveredChange {
  readonly eventId: string;
  readonly stock: string;
  readonly version: number;
}

const say = (line: Line) => process.stdout.write(`${JSON.stringify(line)}\n`);

const cluster = new Cluster({
  urls: process.argv.slice(2),
  limits: { max: 2, min: 0, idleMs: 10_000, lifetimeMs: 60_000 },
  writeSettings: LEDGER_SESSION_SETTINGS,
  onError: () => undefined,
});
const failed = (error: unknown) => say({ failed: String(error) });
const observer = { polled: () => undefined, failed, restarted: () => undefined };
const tail = new Tail({ feed: () => cluster.feed, beats: cluster.beats, observer });
tail.listen({
  advanced: (_position: Position, changes) => {
    if (changes.length === 0) return;
    say({
      changes: changes.map(({ eventId, storeId, productId, version }) => ({
        eventId,
        stock: `${storeId}/${productId}`,
        version: Number(version),
      })),
    });
  },
  restarted: () => say({ began: true }),
});
await cluster.start();
tail.start();
createInterface({ input: process.stdin }).on('close', async () => {
  await tail.stop();
  await cluster.close();
});
