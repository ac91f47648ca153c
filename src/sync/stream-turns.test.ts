import { expect, test } from '@jest/globals';
import { OwnSequences } from './own-sequences.js';
import type { MessageSource } from './store-message.js';
import { SyncStream } from './sync-stream.js';

/** A stream whose turns begin, and whose messages are durable, when the test says so. */
class Turning {
  /** What happened, in its order. */
  readonly seen: string[] = [];
  readonly #begin: (() => void)[] = [];
  readonly #durable: (() => void)[] = [];
  readonly stream = new SyncStream<string>(
    {
      encode: (item) => {
        const text = item.kind === 'ACK' ? `ACK ${item.sequence}` : item.kind;
        this.seen.push(text);
        return text;
      },
      ledger: {
        submitMessage: ({ message }) => {
          this.seen.push(`submitted ${message.sequence}`);
          return new Promise((resolve) => this.#durable.push(() => resolve([])));
        },
      },
      inTurn: async (act) => {
        this.seen.push('asks');
        await new Promise<void>((resolve) => this.#begin.push(resolve));
        return await act(() => undefined);
      },
      acknowledged: ({ sequence }) => this.seen.push(`counted ${sequence}`),
    },
    { storeId: 'S', epoch: 1n, sequence: 0n, stream: 1n, lastEffectiveTimeUs: undefined },
    new OwnSequences(1n, 0n),
  );

  /** Reads what is sent, for as long as that comes. */
  async run(messages: number): Promise<void> {
    void (async () => {
      for await (const _ of this.stream.run(messagesOf(messages), (async function* () {})()));
    })();
    await later();
  }

  async beginTurns(): Promise<void> {
    for (const begin of this.#begin.splice(0)) begin();
    await later();
  }

  async makeDurable(): Promise<void> {
    for (const durable of this.#durable.splice(0)) durable();
    await later();
  }

  takeSeen(): string[] {
    return this.seen.splice(0);
  }
}

/** So many messages, and then no more for ever. */
function messagesOf(count: number): MessageSource {
  let sequence = 0n;
  return {
    hello: () => Promise.reject(new Error('there was one')),
    next: () =>
      sequence === BigInt(count)
        ? new Promise(() => undefined)
        : Promise.resolve({ epoch: 1n, sequence: ++sequence, mode: 'INDEPENDENT', operations: [] }),
  };
}

const later = () => new Promise((resolve) => setImmediate(resolve));

test('a stream asks for two turns at a time, each for all that waits', async () => {
  const turning = new Turning();
  await turning.run(8);
  expect(turning.takeSeen()).toEqual(['ACK 0', 'asks', 'asks']);
  await turning.beginTurns();
  const all = Array.from({ length: 8 }, (_, index) => `submitted ${index + 1}`);
  expect(turning.takeSeen().filter((each) => each !== 'asks')).toEqual(all);
  await turning.makeDurable();
  const acknowledged = Array.from({ length: 8 }, (_, index) => [`counted ${index + 1}`, `ACK ${index + 1}`]);
  expect(turning.takeSeen()).toEqual(acknowledged.flat());
});

test('a message whose turn comes when its store has gone is not run, and counted nowhere', async () => {
  const turning = new Turning();
  await turning.run(1);
  turning.stream.leave();
  await turning.beginTurns();
  expect(turning.takeSeen()).toEqual(['ACK 0', 'asks']);
});
