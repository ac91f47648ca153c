import { withConnection } from '../../src/dev/postgres-session.js';
import type { RecordedCall, Result, Try } from './journal.js';
import type { Command } from './load-plan.js';
import { isRead, unexplained, type Version } from './stock-order.js';

/**
 * Compares what callers were told with what the database holds. Every list of the report must be empty, whatever faults
 * there were.
 */
export interface Audit {
  /** Commands whose acceptance or refusal a caller was told. */
  readonly acknowledged: number;
  /** Commands that nobody was told the outcome of; each took effect once or not at all. */
  readonly unknown: number;
  readonly events: number;
  readonly problems: readonly string[];
}

/** Wrote the events that a test begins with; they are in no journal. */
export const OPENING_ACTOR = 'opening';

/** A refusal to even begin: the service says that nothing was changed. */
const NOTHING_CHANGED = new Set(['DATABASE_UNAVAILABLE', 'QUEUE_FULL', 'SHUTTING_DOWN']);
/** Refusals that leave no event. */
const NO_EVENT = new Set(['STOCK_NOT_FOUND', 'EVENT_ID_REUSED']);
const SHOWN_PROBLEMS = 20;

interface EventRow {
  readonly event_id: string;
  readonly store_id: string;
  readonly product_id: string;
  readonly type: string;
  readonly accepted: boolean;
  readonly reason: string | null;
  readonly requested_delta: number;
  readonly applied_delta: number;
  readonly net_before: number;
  readonly net_after: number;
  readonly version: number;
  readonly actor: string;
}

interface StockRow {
  readonly store_id: string;
  readonly product_id: string;
  readonly net: number;
  readonly version: number;
}

const EVENTS = `
  SELECT event_id, store_id, product_id, type, status = 'SUCCESS' AS accepted, reason, requested_delta,
    applied_delta, net_before, net_after, version::float8 AS version, actor
  FROM event_log ORDER BY store_id, product_id, version, status, seq`;

/** Reads the whole log: for tests only. */
export async function audit(databaseUrl: string, calls: readonly RecordedCall[]): Promise<Audit> {
  const { events, stocks } = await withConnection(databaseUrl, async (client) => {
    await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ');
    const events = (await client.query<EventRow>(EVENTS)).rows;
    const columns = 'store_id, product_id, net, version::float8 AS version';
    const stocks = (await client.query<StockRow>(`SELECT ${columns} FROM stock WHERE version > 0`)).rows;
    return { events, stocks };
  });
  const histories = commandHistories(calls);
  const byId = new Map<string, EventRow[]>();
  for (const event of events) {
    const id = `${event.store_id} ${event.event_id}`;
    byId.set(id, [...(byId.get(id) ?? []), event]);
  }
  const problems = [
    ...[...histories].flatMap(([id, history]) => compareCommand(history, byId.get(id) ?? [])),
    ...events.flatMap((event) => neverSent(event, histories)),
    ...compareStocks(events, stocks),
    ...unexplained(ordersOf(events, histories), calls),
  ];
  const outcomes = [...histories.values()].map(({ result }) => result !== undefined);
  return {
    acknowledged: outcomes.filter(Boolean).length,
    unknown: outcomes.filter((known) => !known).length,
    events: events.length,
    problems: problems.slice(0, SHOWN_PROBLEMS),
  };
}

/** Everything that callers know of one command. */
interface History {
  readonly command: Command;
  readonly tries: readonly Try[];
  readonly result: Result | undefined;
}

function commandHistories(calls: readonly RecordedCall[]): Map<string, History> {
  const histories = new Map<string, History>();
  for (const call of calls) {
    if (isRead(call)) continue;
    const { commands, tries } = call;
    const results = new Map(tries.at(-1)?.results?.map((result) => [result.eventId, result]));
    for (const command of commands) {
      const id = `${command.storeId} ${command.eventId}`;
      histories.set(id, { command, tries, result: results.get(command.eventId) });
    }
  }
  return histories;
}

function compareCommand({ command, tries, result }: History, events: readonly EventRow[]): string[] {
  const { eventId } = command;
  const [event] = events;
  if (events.length > 1) return [`${eventId} is ${events.length} events`];
  if (result === undefined) {
    const untouched = tries.every(({ failure }) => NOTHING_CHANGED.has(failure?.reason ?? ''));
    return untouched && event !== undefined
      ? [`${eventId} is an event; its caller was told of no change`]
      : [];
  }
  if (event === undefined)
    return NO_EVENT.has(result.reason) ? [] : [`${eventId} was acknowledged and is not there`];
  const differences = [
    result.accepted === event.accepted ? '' : `accepted: ${result.accepted} and ${event.accepted}`,
    result.reason === (event.reason ?? '') ? '' : `reason: ${result.reason} and ${event.reason}`,
    differs(result.version, event.version) ? `version: ${result.version} and ${event.version}` : '',
    differs(result.net, event.net_after) ? `net: ${result.net} and ${event.net_after}` : '',
    samePayload(command, event) ? '' : 'type, product or quantity',
  ].filter((difference) => difference !== '');
  return differences.length === 0 ? [] : [`${eventId} was told otherwise: ${differences.join('; ')}`];
}

const differs = (told: number | undefined, recorded: number) => told !== undefined && told !== recorded;

const samePayload = (command: Command, event: EventRow): boolean =>
  command.productId === event.product_id &&
  command.type === event.type &&
  command.quantity === Math.abs(event.requested_delta);

function neverSent(event: EventRow, histories: ReadonlyMap<string, History>): string[] {
  if (event.actor === OPENING_ACTOR || histories.has(`${event.store_id} ${event.event_id}`)) return [];
  return [`${event.event_id} is an event that nobody sent`];
}

/** The events of each stock follow on each other without a gap, never below zero, and add up to the stock. */
function compareStocks(events: readonly EventRow[], stocks: readonly StockRow[]): string[] {
  const problems: string[] = [];
  const sums = new Map<string, { net: number; version: number }>();
  for (const event of events) {
    const key = `${event.store_id} ${event.product_id}`;
    const before = sums.get(key) ?? { net: 0, version: 0 };
    const version = before.version + (event.accepted ? 1 : 0);
    const fits = event.version === version && event.net_before === before.net && event.net_after >= 0;
    if (!fits)
      problems.push(`${key}: the event at version ${event.version} does not follow on the one before`);
    sums.set(key, { net: before.net + event.applied_delta, version });
  }
  for (const { store_id, product_id, net, version } of stocks) {
    const key = `${store_id} ${product_id}`;
    const sum = sums.get(key);
    if (sum?.net !== net || sum.version !== version)
      problems.push(`${key} is ${net} at version ${version}; its events make ${JSON.stringify(sum)}`);
    sums.delete(key);
  }
  return [...problems, ...[...sums.keys()].map((key) => `${key} has events and is no stock`)];
}

/** The versions of each stock, with what callers know of the event that made each. */
function ordersOf(
  events: readonly EventRow[],
  histories: ReadonlyMap<string, History>,
): Map<string, Version[]> {
  const orders = new Map<string, Version[]>();
  for (const { store_id, product_id, event_id, accepted, net_after } of events) {
    if (!accepted) continue;
    const stock = `${store_id} ${product_id}`;
    const order = orders.get(stock) ?? [{ net: 0, sentMs: Number.NEGATIVE_INFINITY, answeredMs: undefined }];
    const { tries, result } = histories.get(`${store_id} ${event_id}`) ?? {};
    order.push({
      net: net_after,
      sentMs: Math.max(order.at(-1)!.sentMs, tries?.[0]?.sentMs ?? Number.NEGATIVE_INFINITY),
      answeredMs: result && tries?.at(-1)?.endedMs,
    });
    orders.set(stock, order);
  }
  return orders;
}
