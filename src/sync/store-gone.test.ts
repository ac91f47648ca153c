import { expect, test } from '@jest/globals';
import { OwnSequences } from './own-sequences.js';
import type { MessageSource, SyncItem } from './store-message.js';
import { SyncStream, type SyncStreamOptions } from './sync-stream.js';

const log = { storeId: 'S', epoch: 1n, sequence: 0n, stream: 1n, lastEffectiveTimeUs: undefined };

/** One message, and then no more for ever. */
function oneMessage(): MessageSource {
  const messages = [{ epoch: 1n, sequence: 1n, mode: 'INDEPENDENT' as const, operations: [] }];
  return {
    hello: () => Promise.reject(new Error('there was one')),
    next: () => {
      const message = messages.shift();
      return message === undefined ? new Promise(() => undefined) : Promise.resolve(message);
    },
  };
}

const later = () => new Promise((resolve) => setImmediate(resolve));

test('a message whose turn comes when its store has gone is not run, and counted nowhere', async () => {
  const seen: string[] = [];
  let begin: () => void = () => undefined;
  const turn = new Promise<void>((resolve) => {
    begin = resolve;
  });
  const options: SyncStreamOptions<SyncItem> = {
    encode: (item) => {
      seen.push(item.kind === 'ACK' ? `ACK ${item.sequence}` : item.kind);
      return item;
    },
    ledger: {
      submitMessage: () => {
        seen.push('submitted');
        return Promise.resolve([]);
      },
    },
    inTurn: async (act) => {
      seen.push('waits');
      await turn;
      return await act(() => undefined);
    },
    acknowledged: () => seen.push('counted'),
  };
  const stream = new SyncStream(options, log, new OwnSequences(1n, 0n));
  const sent = stream.run(oneMessage(), (async function* () {})());
  await sent.next();
  const end = sent.next();
  await later();
  stream.leave();
  expect(await end).toMatchObject({ done: true });
  begin();
  await later();
  expect(seen).toEqual(['ACK 0', 'waits']);
});
