import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { v5 as uuidV5 } from 'uuid';
import { withConnection } from '../dev/postgres-session.js';
import { ErrorReason } from '../gen/grpc/inventory/v1/error_reason.js';
import { BatchMode, Consistency, Effect, OperationType } from '../gen/grpc/inventory/v1/inventory.js';
import { Callers } from './callers.js';
import { type StartedApi, startTestApi } from './started-api.js';
import { Syncing } from './syncing.js';

let started: StartedApi;
let callers: Callers;

beforeAll(async () => {
  started = await startTestApi({ heartbeatMs: 300, helloMs: 1_000 });
  callers = new Callers(started.grpcAddress, started.httpUrl);
});

afterAll(async () => {
  callers.grpc.close();
  await started.stop();
});

const newStore = () => `store-${randomUUID()}`;

const operation = (
  type: keyof typeof OperationType,
  quantity: number | undefined,
  productId = 'P',
  eventId: string = randomUUID(),
) => ({
  ...{ eventId, productId, type: OperationType[type], quantity, reason: '', metadata: {} },
  occurredTime: undefined,
});

const sale = (quantity: number | undefined, productId?: string, eventId?: string) =>
  operation('SALE', quantity, productId, eventId);

const restock = (storeId: string, quantity: number, productId = 'P') =>
  callers.overGrpc('Restock', { storeId, productId, quantity, eventId: randomUUID(), metadata: {} });

const sell = (storeId: string, quantity: number, eventId: string = randomUUID(), productId = 'P') =>
  callers.overGrpc('Sell', { storeId, productId, quantity, eventId, metadata: {} });

const quantityOf = async (storeId: string, productId = 'P') => {
  const key = { storeId, productId, consistency: Consistency.STRONG, minVersion: 0n };
  const { stock, reason } = await callers.overGrpc('Get', key);
  const { quantity, oversold } = (stock ?? {}) as { quantity?: number; oversold?: number };
  return stock === undefined ? reason : (quantity ?? 0) - (oversold ?? 0);
};

const eventsOf = async (storeId: string) => {
  const { rows } = await withConnection(started.databaseUrl, (client) =>
    client.query('SELECT * FROM event_log WHERE store_id = $1 ORDER BY seq', [storeId]),
  );
  return rows;
};

const reasonsOf = (syncing: Syncing) =>
  syncing.results.map(({ reason }) => ErrorReason[reason] ?? String(reason));

describe('a log', () => {
  test('gets an epoch; its messages are durable with their sequence, and say where they came from', async () => {
    const storeId = newStore();
    const stream = await Syncing.open(callers, storeId);
    expect(stream.acks[0]).toMatchObject({ epoch: 1n, ackedSequence: 0n, results: [], replayed: false });
    await stream.acknowledged(1, [sale(1), sale(2)]);
    await stream.acknowledged(2, [operation('RESTOCK', 9)]);
    expect(stream.acked).toBe(2n);
    expect(stream.results.map(({ effect, stock }) => [effect, stock?.version, stock?.oversold])).toEqual([
      [Effect.OVERSOLD, 1n, 1],
      [Effect.OVERSOLD, 2n, 3],
      [Effect.APPLIED, 3n, 0],
    ]);
    expect((await stream.finish()).failure).toBeUndefined();
    expect(await quantityOf(storeId)).toBe(6);
    const events = await eventsOf(storeId);
    expect(events.map((each) => [each.origin, each.sync_epoch, each.sync_sequence])).toEqual([
      ['SYNC', '1', '1'],
      ['SYNC', '1', '1'],
      ['SYNC', '1', '2'],
    ]);
  });

  test('goes on where it stood; a repeat gets the first results, a gap is refused with what is expected', async () => {
    const storeId = newStore();
    const first = await Syncing.open(callers, storeId);
    const messages = [[sale(1), sale(undefined), sale(0)], [sale(2)], [sale(3)]];
    for (const [index, operations] of messages.entries()) await first.acknowledged(index + 1, operations);
    await first.cancel();

    const again = await Syncing.open(callers, storeId, { epoch: 1n });
    expect(again.acks[0]).toMatchObject({ epoch: 1n, ackedSequence: 3n });
    const repeated = await again.acknowledged(1, messages[0]!);
    expect(repeated).toMatchObject({ ackedSequence: 1n, replayed: true });
    expect(repeated!.results.map(({ reason, replayed }) => [ErrorReason[reason], replayed])).toEqual([
      ['UNSPECIFIED', true],
      ['INVALID_FIELD', false],
      ['INVALID_FIELD', false],
    ]);
    await again.acknowledged(3, messages[2]!);
    expect(await again.acknowledged(4, [sale(4)])).toMatchObject({ replayed: false });
    again.message(6, [sale(5)]);
    await again.untilEnd();
    expect(again.failure).toMatchObject({
      ...{ code: 'OUT_OF_RANGE', reason: 'SEQUENCE_GAP', metadata: { expected_sequence: '5' } },
    });
    expect(await quantityOf(storeId)).toBe(-10);
  });

  test('that forked is refused whole, with what is behind the fork', async () => {
    const storeId = newStore();
    const first = await Syncing.open(callers, storeId);
    const known = sale(1);
    await first.acknowledged(1, [known]);
    await first.finish();
    const forked = await Syncing.open(callers, storeId, { epoch: 1n });
    forked.message(1, [known, sale(2)]);
    forked.message(2, [sale(3)]);
    await forked.untilEnd();
    expect(forked.failure).toMatchObject({ code: 'FAILED_PRECONDITION', reason: 'LOG_FORKED' });
    expect(forked.acks).toHaveLength(1);
    expect(await quantityOf(storeId)).toBe(-1);
  });

  test('of a restored store: a new epoch, everything again, each operation once', async () => {
    const storeId = newStore();
    const before = await Syncing.open(callers, storeId);
    const operations = [sale(1), sale(2), sale(3)];
    for (const [index, each] of operations.entries()) await before.acknowledged(index + 1, [each]);
    await before.finish();

    const restored = await Syncing.open(callers, storeId);
    expect(restored.acks[0]).toMatchObject({ epoch: 2n, ackedSequence: 0n });
    await restored.acknowledged(1, operations.slice(0, 2));
    await restored.acknowledged(2, [sale(4)]);
    expect(restored.results.map(({ replayed }) => replayed)).toEqual([true, true, false]);
    await restored.finish();
    expect(await quantityOf(storeId)).toBe(-10);

    const old = await Syncing.open(callers, storeId, { epoch: 1n });
    expect(old.failure).toMatchObject({ reason: 'EPOCH_SUPERSEDED', metadata: { epoch: '2' } });
  });

  test('of an epoch that nobody knows: the server was restored', async () => {
    const storeId = newStore();
    const unknown = await Syncing.open(callers, storeId, { epoch: 3n });
    expect(unknown.failure).toMatchObject({ code: 'FAILED_PRECONDITION', reason: 'LOG_FORKED' });
    await (await Syncing.open(callers, storeId)).finish();
    const ahead = await Syncing.open(callers, storeId, { epoch: 2n });
    expect(ahead.failure).toMatchObject({ reason: 'LOG_FORKED' });
  });

  test('a message under an older epoch than its stream has is refused', async () => {
    const storeId = newStore();
    await (await Syncing.open(callers, storeId)).finish();
    const stream = await Syncing.open(callers, storeId);
    stream.message(1, [sale(1)], { epoch: 1n });
    await stream.untilEnd();
    expect(stream.failure).toMatchObject({ reason: 'EPOCH_SUPERSEDED' });
    expect(await quantityOf(storeId)).toBe('STOCK_NOT_FOUND');
  });
});

describe('operations', () => {
  test('one bad quantity among 500 is reported, the others are applied', async () => {
    const storeId = newStore();
    const stream = await Syncing.open(callers, storeId);
    const operations = Array.from({ length: 500 }, (_, index) =>
      sale(index === 77 ? -5 : 1, `P${index % 7}`),
    );
    const ack = await stream.acknowledged(1, operations);
    const refused = ack!.results.flatMap(({ reason, message }, index) =>
      reason === ErrorReason.UNSPECIFIED ? [] : [[index, ErrorReason[reason], message]],
    );
    expect(refused).toEqual([[77, 'INVALID_FIELD', 'Quantity must be at least 1']]);
    expect(await eventsOf(storeId)).toHaveLength(499);
    await stream.finish();
  });

  test('each kind of bad operation has its reason; the message is taken', async () => {
    const storeId = newStore();
    const stream = await Syncing.open(callers, storeId);
    const at = (seconds: bigint) => ({ ...sale(1), occurredTime: { seconds, nanos: 0 } });
    const operations = [
      sale(1, ''),
      sale(1, 'P', 'not a uuid'),
      sale(1, 'P', ''),
      { ...sale(1), type: 77 as OperationType },
      operation('COUNT', -1),
      at(-62_135_596_800n),
      at(253_402_300_799n),
    ];
    await stream.acknowledged(1, operations);
    expect(stream.results.map(({ message }) => message)).toEqual([
      'Product ID is required',
      'Event ID must be a UUID, such as 01976f3e-7c1a-7d35-9d5b-6a7f4f3b2c10',
      'Event ID is required',
      'Type must be SALE, RESTOCK, RETURN, COUNT or WASTE',
      'Quantity must be at least 0',
      'Occurred time must not be before 2000-01-01',
      '',
    ]);
    expect(await stream.acknowledged(2, [sale(-1)])).toMatchObject({ ackedSequence: 2n });
    expect(await stream.acknowledged(2, [sale(-1)])).toMatchObject({ ackedSequence: 2n, replayed: true });
    expect(await eventsOf(storeId)).toHaveLength(1);
    await stream.finish();
  });

  test('what was refused online is recorded under an id of its own, once', async () => {
    const storeId = newStore();
    await restock(storeId, 1);
    const eventId = randomUUID();
    expect(await sell(storeId, 5, eventId)).toMatchObject({ reason: 'INSUFFICIENT_STOCK' });
    const stream = await Syncing.open(callers, storeId);
    await stream.acknowledged(1, [sale(5, 'P', eventId), sale(5, 'P', eventId), sale(4, 'P', eventId)]);
    await stream.acknowledged(1, [sale(5, 'P', eventId)]);
    expect(stream.results.map(({ eventId: id, effect, replayed }) => [id, effect, replayed])).toEqual([
      [eventId, Effect.OVERSOLD, false],
      [eventId, Effect.OVERSOLD, true],
      [eventId, Effect.REFUSED, false],
      [eventId, Effect.OVERSOLD, true],
    ]);
    expect(reasonsOf(stream)[2]).toBe('EVENT_ID_REUSED');
    const events = await eventsOf(storeId);
    expect(events.map((each) => [each.event_id, each.origin, each.effect])).toEqual([
      [events[0].event_id, 'GRPC', 'APPLIED'],
      [eventId, 'GRPC', 'REFUSED'],
      [uuidV5('sync', eventId), 'SYNC', 'OVERSOLD'],
    ]);
    expect(await sell(storeId, 5, eventId)).toMatchObject({ reason: 'INSUFFICIENT_STOCK' });
    expect(await quantityOf(storeId)).toBe(-4);
    await stream.finish();
  });

  test('a repeat of ids that left no event is no fork', async () => {
    const storeId = newStore();
    await restock(storeId, 9);
    const eventId = randomUUID();
    await sell(storeId, 1, eventId);
    const stream = await Syncing.open(callers, storeId);
    const operations = [sale(2, 'P', eventId), sale(undefined), sale(3)];
    await stream.acknowledged(1, operations);
    await stream.acknowledged(1, operations);
    const once = ['EVENT_ID_REUSED', 'INVALID_FIELD', 'UNSPECIFIED'];
    expect(reasonsOf(stream)).toEqual([...once, ...once]);
    expect(await quantityOf(storeId)).toBe(5);
    await stream.finish();
  });

  test('ATOMIC: a bad one refuses all, and the limit of a stock is a refusal', async () => {
    const storeId = newStore();
    const stream = await Syncing.open(callers, storeId);
    const mode = BatchMode.ATOMIC;
    await stream.acknowledged(1, [sale(1), sale(0)], { mode });
    await stream.acknowledged(2, [operation('COUNT', 1_000_000_000)]);
    await stream.acknowledged(3, [operation('RESTOCK', 1), sale(1)]);
    await stream.acknowledged(4, [sale(1), operation('RESTOCK', 3)], { mode });
    expect(reasonsOf(stream)).toEqual([
      ...['BATCH_REFUSED', 'INVALID_FIELD', 'UNSPECIFIED', 'STOCK_LIMIT', 'UNSPECIFIED'],
      ...['BATCH_REFUSED', 'STOCK_LIMIT'],
    ]);
    expect(await quantityOf(storeId)).toBe(999_999_999);
    await stream.finish();
  });
});

describe('what is not valid ends the stream, and nothing of it is applied', () => {
  const bad: [what: string, send: (stream: Syncing, storeId: string) => void, failure: object][] = [
    [
      'another store',
      (stream) => stream.message(2, [sale(9)], { storeId: 'another' }),
      { reason: 'INVALID_FIELD', fieldViolations: [expect.objectContaining({ field: 'storeId' })] },
    ],
    ['a negative sequence', (stream) => stream.message(-1, [sale(9)]), { reason: 'INVALID_FIELD' }],
    [
      'a negative epoch',
      (stream) => stream.message(2, [sale(9)], { epoch: -1n }),
      { reason: 'INVALID_FIELD' },
    ],
    ['no operations', (stream) => stream.message(2, []), { reason: 'INVALID_FIELD' }],
    [
      '1,001 operations',
      (stream) =>
        stream.message(
          2,
          Array.from({ length: 1_001 }, () => sale(9)),
        ),
      {
        reason: 'INVALID_FIELD',
        fieldViolations: [{ field: 'operations', description: 'Operations must not exceed 1,000' }],
      },
    ],
    [
      'an unknown mode',
      (stream) => stream.message(2, [sale(9)], { mode: 9 as BatchMode }),
      { reason: 'INVALID_FIELD' },
    ],
    ['a second hello', (stream) => stream.send({}), { reason: 'INVALID_FIELD' }],
    [
      'bytes that are no message',
      (stream) => stream.sendBytes(Buffer.from('ffffff', 'hex')),
      { reason: 'MALFORMED_MESSAGE' },
    ],
    [
      '2 MB',
      (stream) => stream.message(2, [{ ...sale(9), reason: 'x'.repeat(2 * 1024 * 1024) }]),
      { code: 'RESOURCE_EXHAUSTED' },
    ],
  ];

  test.each(bad)('%s', async (_, send, failure) => {
    const storeId = newStore();
    const stream = await Syncing.open(callers, storeId);
    await stream.acknowledged(1, [sale(1)]);
    send(stream, storeId);
    stream.message(2, [sale(5)]);
    await stream.untilEnd();
    expect(stream.failure).toMatchObject(failure);
    expect(await quantityOf(storeId)).toBe(-1);
    const next = await Syncing.open(callers, storeId, { epoch: 1n });
    expect(next.acks[0]).toMatchObject({ ackedSequence: 1n });
    await next.finish();
  });

  test('what was sent before it is acknowledged first', async () => {
    const storeId = newStore();
    const stream = await Syncing.open(callers, storeId);
    for (let sequence = 1; sequence <= 5; sequence++) stream.message(sequence, [sale(1)]);
    stream.message(6, [sale(1)], { storeId: 'another' });
    await stream.untilEnd();
    expect(stream.acks.map(({ ackedSequence }) => ackedSequence)).toEqual([0n, 1n, 2n, 3n, 4n, 5n]);
    expect(await quantityOf(storeId)).toBe(-5);
  });

  test.each([
    ['without a hello', {}, true],
    ['a hello with operations', { operations: [sale(1)] }, false],
    ['a hello with a sequence', { sequence: 1n }, false],
    ['a hello with a cursor that is none', { changeCursor: 'abc' }, false],
    ['a hello of no store', { storeId: '' }, false],
    ['a hello with a negative epoch', { epoch: -1n }, false],
  ])('%s', async (_, hello, empty) => {
    const stream = new Syncing(callers, newStore());
    if (empty) await stream.finish();
    else {
      stream.send(hello);
      await stream.untilEnd();
    }
    expect(stream.failure).toMatchObject({ code: 'INVALID_ARGUMENT', reason: 'INVALID_FIELD' });
  });
});

test('a stream that says nothing is ended', async () => {
  const stream = await new Syncing(callers, newStore()).untilEnd();
  expect(stream.failure).toMatchObject({ code: 'DEADLINE_EXCEEDED', reason: 'DEADLINE_EXCEEDED' });
});

describe('changes made elsewhere', () => {
  test('come with what they include of the own log; own ones do not come', async () => {
    const storeId = newStore();
    await restock(storeId, 100);
    const stream = await Syncing.open(callers, storeId);
    await stream.until(({ changes }) => changes.length > 0);
    expect(stream.changes[0]).toMatchObject({ stocks: [], includedSequence: 0n });
    await stream.acknowledged(1, [sale(1), sale(1, 'own')]);
    await stream.acknowledged(2, [sale(2)]);
    await sell(storeId, 5);
    await stream.until(({ changes }) => changes.some(({ stocks }) => stocks.length > 0));
    const change = stream.changes.find(({ stocks }) => stocks.length > 0)!;
    expect(change.stocks).toMatchObject([{ storeId, productId: 'P', quantity: 92, version: 4n }]);
    expect(change.includedSequence).toBe(2n);
    expect(change.changeCursor).not.toBe('');
    await stream.finish();
    expect(stream.changes.flatMap(({ stocks }) => stocks.map(({ productId }) => productId))).toEqual(['P']);
  });

  test('go on from the cursor: what was missed comes, newest states only, each stock once', async () => {
    const storeId = newStore();
    const first = await Syncing.open(callers, storeId);
    await first.until(({ cursor }) => cursor !== '');
    await first.acknowledged(1, [sale(1), sale(1, 'own')]);
    const { cursor } = first;
    await first.finish();
    for (let product = 0; product < 3; product++) {
      await restock(storeId, 10, `Q${product}`);
      await sell(storeId, 1, randomUUID(), `Q${product}`);
    }
    await restock(storeId, 10);
    const again = await Syncing.open(callers, storeId, { epoch: 1n, changeCursor: cursor });
    await again.until((syncing) => syncing.cursor !== '');
    const stocks = again.changes.flatMap((change) => change.stocks);
    expect(stocks.map(({ productId, quantity, version }) => [productId, quantity, version])).toEqual([
      ['P', 9, 2n],
      ['Q0', 9, 2n],
      ['Q1', 9, 2n],
      ['Q2', 9, 2n],
    ]);
    expect(again.changes.every(({ includedSequence }) => includedSequence === 1n)).toBe(true);
    await again.finish();
  });

  test('a store that keeps to the rule has every stock as it is, whatever happens at once', async () => {
    const storeId = newStore();
    await restock(storeId, 10_000);
    const stream = await Syncing.open(callers, storeId);
    await stream.until(({ cursor }) => cursor !== '');
    let sequence = 0;
    const local = async () => {
      for (let turn = 0; turn < 40; turn++) await stream.acknowledged(++sequence, [sale(1)]);
    };
    const elsewhere = async () => {
      for (let turn = 0; turn < 40; turn++) await sell(storeId, 100);
    };
    await Promise.all([local(), elsewhere()]);
    await sell(storeId, 100);
    await stream.until(({ changes }) =>
      changes.some(({ stocks }) => stocks.some((each) => each.version === 82n)),
    );
    // Each state, less the own sales behind the sequence that it includes, is one that follows from both.
    const states = stream.changes.filter(({ stocks }) => stocks.length > 0);
    expect(states.length).toBeGreaterThan(5);
    for (const { stocks, includedSequence } of states) {
      const { quantity } = stocks[0]!;
      expect((10_000 - quantity - Number(includedSequence)) % 100).toBe(0);
    }
    await stream.finish();
  });

  test('a heartbeat comes when nothing else does, with a watermark that moves, and the cursor moves with it', async () => {
    const storeId = newStore();
    const stream = await Syncing.open(callers, storeId);
    await stream.until(({ heartbeats }) => heartbeats.filter(({ watermark }) => watermark).length >= 2);
    const times = stream.heartbeats.flatMap(({ watermark }) =>
      watermark ? [Number(watermark.seconds)] : [],
    );
    expect(Math.abs(times[0]! - Date.now() / 1000)).toBeLessThan(60);
    const { cursor } = stream;
    await stream.acknowledged(1, [sale(1)]);
    await stream.until((syncing) => syncing.cursor !== cursor);
    await stream.finish();
  });
});

describe('streams of one store', () => {
  test('the newer one wins', async () => {
    const storeId = newStore();
    const older = await Syncing.open(callers, storeId);
    await older.acknowledged(1, [sale(1)]);
    const newer = await Syncing.open(callers, storeId, { epoch: 1n });
    await older.untilEnd();
    expect(older.failure).toMatchObject({ code: 'ABORTED', reason: 'STREAM_SUPERSEDED' });
    expect(await newer.acknowledged(2, [sale(1)])).toMatchObject({ ackedSequence: 2n });
    await newer.finish();
  });

  test('through another process, too: a message is refused, an idle stream is told at its heartbeat', async () => {
    const stores = [newStore(), newStore()];
    const [busy, idle] = await Promise.all(stores.map((storeId) => Syncing.open(callers, storeId)));
    // What the hello of another process does.
    await withConnection(started.databaseUrl, (client) =>
      client.query('UPDATE sync_cursor SET stream = stream + 1 WHERE store_id = ANY ($1)', [stores]),
    );
    busy!.message(1, [sale(1)]);
    await Promise.all([busy!.untilEnd(), idle!.untilEnd()]);
    expect(busy!.failure).toMatchObject({ reason: 'STREAM_SUPERSEDED' });
    expect(idle!.failure).toMatchObject({ reason: 'STREAM_SUPERSEDED' });
    expect(await quantityOf(stores[0]!)).toBe('STOCK_NOT_FOUND');
  });
});

test('100 messages in a row, not waited for, are acknowledged in their order', async () => {
  const storeId = newStore();
  const stream = await Syncing.open(callers, storeId);
  for (let sequence = 1; sequence <= 100; sequence++)
    stream.message(sequence, [sale(1), sale(1, `P${sequence % 9}`)]);
  await stream.finish();
  expect(stream.failure).toBeUndefined();
  expect(stream.acks.map(({ ackedSequence }) => Number(ackedSequence))).toEqual(
    Array.from({ length: 101 }, (_, index) => index),
  );
  expect(await quantityOf(storeId)).toBe(-100);
});
