import { expect, test } from '@jest/globals';
import type { InventoryError } from '../domain/errors.js';
import type { Command, Outcome, PriorEvent } from '../domain/types.js';
import { Pending } from './pending.js';

const command = (eventId: string): Command => ({
  ...{ storeId: 'S', productId: 'P', eventId, type: 'SALE', quantity: 1, occurredTimeUs: undefined },
  ...{ operationReason: undefined, actor: 'a', origin: 'SYSTEM', metadata: {} },
});

const decided = (version: bigint, recordedTimeUs: number, replayed: boolean): Outcome => ({
  kind: 'DECIDED',
  event: { version, recordedTimeUs } as PriorEvent,
  createTimeUs: 0,
  replayed,
});

/** A submission of commands with these event ids, and what its caller is told. */
function submitted(eventIds: string[], { leftMs = 60_000 } = {}) {
  const told: (readonly Outcome[] | InventoryError)[] = [];
  const submission = { commands: eventIds.map(command), mode: 'INDEPENDENT' as const };
  const waiter = {
    resolve: (outcomes: readonly Outcome[]) => void told.push(outcomes),
    reject: (error: InventoryError) => void told.push(error),
  };
  return { pending: new Pending(submission, performance.now() + leftMs, waiter), told };
}

const LOST = [decided(7n, 1_000, false)];
const CONNECTION_LOST = Object.assign(new Error('reset'), { code: 'ECONNRESET' });

test('it is answered once', () => {
  const { pending, told } = submitted(['e1']);
  pending.resolve([{ kind: 'STOCK_NOT_FOUND' }]);
  pending.fail(CONNECTION_LOST);
  expect(told).toEqual([[{ kind: 'STOCK_NOT_FOUND' }]]);
  expect(pending.isOver(0)).toBe(true);
});

test('before its COMMIT an outage changes nothing, and a defect tells nothing of the inside', () => {
  const outage = submitted(['e1']);
  outage.pending.fail(CONNECTION_LOST);
  expect(outage.told).toMatchObject([{ reason: 'DATABASE_UNAVAILABLE', metadata: { event_id: 'e1' } }]);
  const defect = submitted(['e1']);
  defect.pending.fail(new TypeError('x is not a function'));
  expect(defect.told).toMatchObject([{ reason: 'INTERNAL', message: 'Internal error' }]);
});

test('the deadline of what was not run says so; where COMMIT was sent nobody knows', () => {
  const late = submitted(['e1'], { leftMs: 0 });
  expect(late.pending.isOver(performance.now() + 1)).toBe(true);
  expect(late.told).toMatchObject([{ reason: 'DEADLINE_EXCEEDED', metadata: { event_id: 'e1' } }]);
  const lost = submitted(['e1', 'e2'], { leftMs: 1_000 });
  expect(lost.pending.isOver(performance.now())).toBe(false);
  lost.pending.unsettle([...LOST, ...LOST]);
  expect(lost.pending.isOver(performance.now() + 1_000)).toBe(true);
  expect(lost.told).toMatchObject([{ reason: 'OUTCOME_UNKNOWN', metadata: { event_ids: 'e1,e2' } }]);
});

test('after its COMMIT was sent an outage leaves the outcome unknown, with the id to ask again with', () => {
  const { pending, told } = submitted(['e1']);
  pending.unsettle(LOST);
  pending.fail(CONNECTION_LOST);
  expect(told).toMatchObject([
    { reason: 'OUTCOME_UNKNOWN', metadata: { event_id: 'e1' }, cause: CONNECTION_LOST },
  ]);
});

test('run again, what replays the very event of the lost COMMIT is no replay to the caller; another one is', () => {
  const same = submitted(['e1']);
  same.pending.unsettle(LOST);
  same.pending.unsettle([decided(8n, 2_000, false)]);
  same.pending.resolve([decided(7n, 1_000, true)]);
  expect(same.told).toEqual([LOST]);
  for (const outcome of [decided(7n, 999, true), decided(6n, 1_000, true)]) {
    const other = submitted(['e1']);
    other.pending.unsettle(LOST);
    other.pending.resolve([outcome]);
    expect(other.told).toEqual([[outcome]]);
  }
});

test('its commands can be run each by itself: answered in their order, each with what is known of it', () => {
  const { pending, told } = submitted(['e1', 'e2']);
  pending.unsettle([decided(7n, 1_000, false), decided(8n, 1_000, false)]);
  const [first, second] = pending.apart();
  expect([first?.unsettled, second?.unsettled]).toEqual([true, true]);
  second?.resolve([decided(8n, 1_000, true)]);
  expect(told).toEqual([]);
  first?.fail(CONNECTION_LOST);
  expect(told).toMatchObject([
    [
      { kind: 'NOT_RUN', error: { reason: 'OUTCOME_UNKNOWN', metadata: { event_id: 'e1' } } },
      { kind: 'DECIDED', event: { version: 8n }, replayed: false },
    ],
  ]);
  const plain = submitted(['e1', 'e2']).pending.apart();
  expect(plain.map(({ unsettled }) => unsettled)).toEqual([false, false]);
});
