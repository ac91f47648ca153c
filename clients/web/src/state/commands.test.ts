import { create } from '@bufbuild/protobuf';
import { Code, ConnectError } from '@connectrpc/connect';
import { expect, test } from '@jest/globals';
import { ErrorInfoSchema } from '../contract.js';
import { type Command, Commands, type MovementResponse, type OpenCommand } from './commands.js';

const WANTED = { movement: 'sell', storeId: 'S', productId: 'P', quantity: 2 } as const;
const RESPONSE = { replayed: false } as MovementResponse;

class MemoryStorage implements Storage {
  readonly #items = new Map<string, string>();
  readonly length = 0;
  getItem = (key: string) => this.#items.get(key) ?? null;
  setItem = (key: string, value: string) => void this.#items.set(key, value);
  removeItem = (key: string) => void this.#items.delete(key);
  clear = () => this.#items.clear();
  key = () => null;
}

const refusal = (reason: string, code = Code.FailedPrecondition) =>
  new ConnectError('no', code, undefined, [
    { desc: ErrorInfoSchema, value: create(ErrorInfoSchema, { reason, metadata: { available: '1' } }) },
  ]);

/** A page whose service gives these answers in turn; what it sent and what it showed as open. */
function pageWith(storage: Storage, ...answers: (Error | MovementResponse)[]) {
  const sent: Command[] = [];
  const shown: (readonly OpenCommand[])[] = [];
  const send = async (command: Command) => {
    expect(storage.getItem('onhand.open-commands')).toContain(command.eventId);
    sent.push(command);
    const answer = answers.shift();
    if (answer === undefined || answer instanceof Error) throw answer;
    return answer;
  };
  const commands = new Commands(send, storage, (open) => shown.push(open));
  return { commands, sent, shown };
}

test('a command is kept before it is sent, and forgotten once it is settled', async () => {
  const { commands, sent, shown } = pageWith(new MemoryStorage(), RESPONSE);
  expect(await commands.ask(WANTED)).toEqual({ command: sent[0], response: RESPONSE });
  expect(sent).toEqual([{ ...WANTED, eventId: expect.stringMatching(/^[0-9a-f-]{36}$/) }]);
  expect(shown.map((open) => open.map(({ sending }) => sending))).toEqual([[true], []]);
});

test.each(['INSUFFICIENT_STOCK', 'EVENT_ID_REUSED', 'STOCK_NOT_FOUND', 'INVALID_FIELD'])(
  '%s settles a command: the next one has another event id',
  async (reason) => {
    const { commands, sent } = pageWith(new MemoryStorage(), refusal(reason), RESPONSE);
    expect(await commands.ask(WANTED)).toMatchObject({ failure: { outcome: 'refused', reason } });
    expect(commands.open).toEqual([]);
    await commands.ask(WANTED);
    expect(sent[1]?.eventId).not.toBe(sent[0]?.eventId);
  },
);

test.each([
  ['OUTCOME_UNKNOWN', refusal('OUTCOME_UNKNOWN', Code.Unavailable), 'unknown'],
  ['DEADLINE_EXCEEDED', refusal('DEADLINE_EXCEEDED', Code.DeadlineExceeded), 'unknown'],
  ['INTERNAL', refusal('INTERNAL', Code.Internal), 'unknown'],
  ['no answer in time', new ConnectError('late', Code.DeadlineExceeded), 'unknown'],
  ['QUEUE_FULL', refusal('QUEUE_FULL', Code.ResourceExhausted), 'not-done'],
  ['SHUTTING_DOWN', refusal('SHUTTING_DOWN', Code.Unavailable), 'not-done'],
  ['DATABASE_UNAVAILABLE', refusal('DATABASE_UNAVAILABLE', Code.Unavailable), 'not-done'],
])('after %s the same event id is sent again', async (_name, error, outcome) => {
  const { commands, sent } = pageWith(new MemoryStorage(), error, error, RESPONSE);
  expect(await commands.ask(WANTED)).toBeUndefined();
  expect(commands.open).toMatchObject([{ ...WANTED, sending: false, failure: { outcome } }]);
  expect(await commands.repeat(commands.open[0]!.eventId)).toBeUndefined();
  expect(await commands.repeat(commands.open[0]!.eventId)).toMatchObject({ response: RESPONSE });
  expect(new Set(sent.map(({ eventId }) => eventId)).size).toBe(1);
  expect(commands.open).toEqual([]);
});

test('an open command outlives the page, with its event id', async () => {
  const storage = new MemoryStorage();
  const left = pageWith(storage);
  void new Commands(
    () => new Promise(() => {}),
    storage,
    () => {},
  ).ask(WANTED);
  const { commands, sent } = pageWith(storage, RESPONSE);
  expect(commands.open).toMatchObject([{ ...WANTED, sending: false, failure: { outcome: 'unknown' } }]);
  const { eventId } = commands.open[0]!;
  await commands.repeat(eventId);
  expect(sent.map((command) => command.eventId)).toEqual([eventId]);
  expect(left.commands.open).toEqual([]);
  expect(pageWith(storage).commands.open).toEqual([]);
});

test('a command that was given up is not sent again, and broken storage is as good as none', async () => {
  const storage = new MemoryStorage();
  const { commands, sent } = pageWith(storage, refusal('OUTCOME_UNKNOWN'));
  await commands.ask(WANTED);
  const { eventId } = commands.open[0]!;
  commands.drop(eventId);
  expect(await commands.repeat(eventId)).toBeUndefined();
  expect(sent).toHaveLength(1);
  storage.setItem('onhand.open-commands', '{');
  expect(pageWith(storage).commands.open).toEqual([]);
});
