import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { ErrorReason } from '../gen/grpc/inventory/v1/error_reason.js';
import { BatchMode } from '../gen/grpc/inventory/v1/inventory.js';
import { newStore, SyncScene } from './sync-scene.js';
import { operation, Syncing, sale } from './syncing.js';

/** What the database refuses, beyond all that is looked at before. */
const REFUSALS = {
  'by a constraint': `ALTER TABLE event_log ADD CONSTRAINT no_poison CHECK (product_id <> 'POISON') NOT VALID`,
  'by a trigger': `
    CREATE TRIGGER poison BEFORE INSERT ON event_log FOR EACH ROW WHEN (NEW.product_id = 'POISON') EXECUTE FUNCTION refuse()`,
  'by a trigger at COMMIT': `
    CREATE CONSTRAINT TRIGGER poison AFTER INSERT ON event_log DEFERRABLE INITIALLY DEFERRED
      FOR EACH ROW WHEN (NEW.product_id = 'POISON') EXECUTE FUNCTION refuse()`,
};

const REFUSE = `CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'poison'; END $$`;

let scene: SyncScene;

beforeAll(async () => {
  scene = await SyncScene.start();
  await scene.query(REFUSE);
});

afterAll(async () => {
  await scene?.stop();
});

const cure = () =>
  scene.query(`
    ALTER TABLE event_log DROP CONSTRAINT IF EXISTS no_poison;
    DROP TRIGGER IF EXISTS poison ON event_log;
    DROP TRIGGER IF EXISTS poison ON stock;
    DROP TRIGGER IF EXISTS poison ON sync_cursor`);

afterEach(cure);

const reasonsOf = ({ results }: Pick<Syncing, 'results'>) =>
  results.map(({ reason }) => ErrorReason[reason] ?? String(reason));

describe('an operation that the database refuses', () => {
  test.each(Object.entries(REFUSALS))(
    '%s is named; all else is taken, and the log moves on',
    async (_, sql) => {
      await scene.query(sql);
      const storeId = newStore();
      const stream = await Syncing.open(scene.callers, storeId);
      const poisoned = [sale(1), sale(2, 'POISON'), sale(3), operation('RESTOCK', 4, 'POISON'), sale(5, 'Q')];
      // Not waited for: what is behind the message must not be refused as a gap.
      for (const [index, operations] of [[sale(1)], poisoned, [sale(7)]].entries())
        stream.message(index + 1, operations);
      await stream.until(({ acked, ended }) => acked === 3n || ended);
      expect(stream.failure).toBeUndefined();
      expect(reasonsOf(stream)).toEqual([
        ...[
          'UNSPECIFIED',
          'UNSPECIFIED',
          'INTERNAL',
          'UNSPECIFIED',
          'INTERNAL',
          'UNSPECIFIED',
          'UNSPECIFIED',
        ],
      ]);
      const named = stream.results[2]!;
      expect(named).toMatchObject({ eventId: poisoned[1]!.eventId, message: 'Internal error' });
      expect((await scene.eventsOf(storeId)).map((event) => event.sync_sequence)).toEqual([
        '1',
        '2',
        '2',
        '2',
        '3',
      ]);
      expect(await scene.quantityOf(storeId)).toBe(-12);
      await stream.finish();
      const again = await Syncing.open(scene.callers, storeId, { epoch: 1n });
      expect(again.acked).toBe(3n);
      await again.finish();
    },
  );

  test('is refused in a repeat as well; what else was not in the message makes it one of another log', async () => {
    await scene.query(REFUSALS['by a trigger']);
    const storeId = newStore();
    const first = await Syncing.open(scene.callers, storeId);
    const operations = [sale(1), sale(2, 'POISON'), sale(3)];
    await first.acknowledged(1, operations);
    await first.finish();
    const again = await Syncing.open(scene.callers, storeId, { epoch: 1n });
    expect(await again.acknowledged(1, operations)).toMatchObject({ replayed: true });
    expect(again.results.map(({ replayed }) => replayed)).toEqual([true, false, true]);
    expect(reasonsOf(again)).toEqual(['UNSPECIFIED', 'INTERNAL', 'UNSPECIFIED']);
    await again.acknowledged(2, [sale(4)]);
    again.message(1, [...operations, sale(5)]);
    await again.untilEnd();
    expect(again.failure).toMatchObject({ reason: 'LOG_FORKED' });
    expect(await scene.quantityOf(storeId)).toBe(-8);
  });

  test('takes effect under its id once what is wrong has been put right', async () => {
    await scene.query(REFUSALS['by a constraint']);
    const storeId = newStore();
    const stream = await Syncing.open(scene.callers, storeId);
    const poison = sale(2, 'POISON');
    await stream.acknowledged(1, [poison]);
    await stream.acknowledged(2, [poison]);
    await cure();
    await stream.acknowledged(3, [poison]);
    expect(reasonsOf(stream)).toEqual(['INTERNAL', 'INTERNAL', 'UNSPECIFIED']);
    expect(stream.results.map(({ replayed }) => replayed)).toEqual([false, false, false]);
    expect(await scene.quantityOf(storeId, 'POISON')).toBe(-2);
    await stream.finish();
  });

  test('for what comes of those before it is found by them', async () => {
    await scene.query(`
      CREATE TRIGGER poison BEFORE UPDATE ON stock FOR EACH ROW WHEN (NEW.net < -5) EXECUTE FUNCTION refuse()`);
    const storeId = newStore();
    const stream = await Syncing.open(scene.callers, storeId);
    await stream.acknowledged(1, [sale(3), sale(3), sale(2), operation('RESTOCK', 1), sale(2), sale(1)]);
    expect(reasonsOf(stream)).toEqual([
      ...['UNSPECIFIED', 'INTERNAL', 'UNSPECIFIED', 'UNSPECIFIED', 'INTERNAL', 'UNSPECIFIED'],
    ]);
    expect(await scene.quantityOf(storeId)).toBe(-5);
    await stream.finish();
  });

  test('makes an ATOMIC message a refused one', async () => {
    await scene.query(REFUSALS['by a constraint']);
    const storeId = newStore();
    const stream = await Syncing.open(scene.callers, storeId);
    await stream.acknowledged(1, [sale(1), sale(2, 'POISON'), sale(3)], { mode: BatchMode.ATOMIC });
    await stream.acknowledged(2, [sale(4)]);
    expect(reasonsOf(stream)).toEqual(['BATCH_REFUSED', 'INTERNAL', 'BATCH_REFUSED', 'UNSPECIFIED']);
    expect(await scene.quantityOf(storeId)).toBe(-4);
    await stream.finish();
  });

  test('among a thousand, and a message of nothing else', async () => {
    await scene.query(REFUSALS['by a trigger']);
    const storeId = newStore();
    const stream = await Syncing.open(scene.callers, storeId);
    const operations = Array.from({ length: 1_000 }, (_, nth) =>
      sale(1, nth === 617 ? 'POISON' : `P${nth % 50}`),
    );
    await stream.acknowledged(1, operations);
    await stream.acknowledged(
      2,
      Array.from({ length: 40 }, () => sale(1, 'POISON')),
    );
    const refused = reasonsOf(stream).flatMap((reason, index) => (reason === 'INTERNAL' ? [index] : []));
    expect(refused).toEqual([617, ...Array.from({ length: 40 }, (_, nth) => 1_000 + nth)]);
    expect(await scene.eventsOf(storeId)).toHaveLength(999);
    expect(stream.acked).toBe(2n);
    await stream.finish();
  });
});

test('where the log itself cannot move on, no operation is blamed: the stream ends, and nothing is taken', async () => {
  const storeId = newStore();
  const stream = await Syncing.open(scene.callers, storeId);
  await scene.query(`
    CREATE TRIGGER poison BEFORE UPDATE OF sequence ON sync_cursor FOR EACH ROW EXECUTE FUNCTION refuse()`);
  stream.message(1, [sale(1)]);
  await stream.untilEnd();
  expect(stream.failure).toMatchObject({ code: 'INTERNAL', reason: 'INTERNAL', message: 'Internal error' });
  expect(await scene.eventsOf(storeId)).toEqual([]);
  await cure();
  const again = await Syncing.open(scene.callers, storeId, { epoch: 1n });
  await again.acknowledged(1, [sale(1)]);
  expect(again.acked).toBe(1n);
  await again.finish();
});
