import type { RecordedCall } from './journal.js';

/** One version of a stock: what its event made of it, and what callers know of that event. */
export interface Version {
  readonly net: number;
  /** When it and all before it had been sent for the first time; before everything where no caller sent them. */
  readonly sentMs: number;
  /** When it was acknowledged, if it was. */
  readonly answeredMs: number | undefined;
}

/** What an answer showed of a stock without changing it: a read, or a sale that was refused for want of units. */
interface Observation {
  readonly what: string;
  readonly stock: string;
  /** Its place in the order: after this version's event, and before the next one. */
  readonly version: number;
  readonly net: number | undefined;
  readonly sentMs: number;
  readonly endedMs: number;
  /** The primary decided it: what was known before it was sent is in it. */
  readonly isCurrent: boolean;
}

/**
 * Answers that have no place in the order of their stock's events, each in a sentence. Versions say what that order is, so it
 * explains all answers if none contradicts the clock: no event was answered before one that it follows was sent; an
 * observation shows what its version was, and nothing that had not been sent; and no current one lacks what was known,
 * from acknowledgements and from other current ones, before it was sent.
 *
 * @param orders the versions of each stock, from 0 on.
 */
export function unexplained(
  orders: ReadonlyMap<string, readonly Version[]>,
  calls: readonly RecordedCall[],
): string[] {
  const observations = new Map([...orders.keys()].map((stock) => [stock, [] as Observation[]]));
  for (const one of calls.flatMap(observationOf)) observations.get(one.stock)?.push(one);
  return [...orders].flatMap(([stock, order]) => {
    const seen = observations.get(stock)!;
    return [
      ...outOfOrder(stock, order),
      ...seen.flatMap((one) => misplaced(one, order)),
      ...behind(seen, order),
    ];
  });
}

export const isRead = ({ rpc }: Pick<RecordedCall, 'rpc'>): boolean => rpc === 'Get' || rpc === 'GetStrong';

function observationOf(call: RecordedCall): Observation | [] {
  const { rpc, commands, tries } = call;
  const { storeId, productId } = commands[0]!;
  const last = tries.at(-1);
  const result = last?.results?.[0];
  const isRefusal = rpc === 'Sell' && result?.reason === 'INSUFFICIENT_STOCK';
  if (last?.endedMs === undefined || result === undefined || !(isRead(call) || isRefusal)) return [];
  // A read that finds nothing tells no version. A refusal may have been decided at its first try.
  const { version = 0, net = 0 } = result;
  const { sentMs } = isRefusal ? tries[0]! : last;
  const stock = `${storeId} ${productId}`;
  return { what: rpc, stock, version, net, sentMs, endedMs: last.endedMs, isCurrent: rpc !== 'Get' };
}

const outOfOrder = (stock: string, order: readonly Version[]): string[] =>
  order.flatMap(({ answeredMs }, version) =>
    answeredMs !== undefined && answeredMs < order[version - 1]!.sentMs
      ? [`${stock}: version ${version} was answered before an earlier version was sent`]
      : [],
  );

function misplaced({ what, stock, version, net, endedMs }: Observation, order: readonly Version[]): string[] {
  const told = `${stock}: ${what} told ${net} at version ${version}`;
  const shown = order[version];
  if (shown === undefined || shown.net !== net) return [`${told}, which was ${shown?.net}`];
  return endedMs < shown.sentMs ? [`${told}, before that was sent`] : [];
}

function behind(seen: readonly Observation[], order: readonly Version[]): string[] {
  const current = seen.filter(({ isCurrent }) => isCurrent);
  const facts = [
    ...order.map(({ answeredMs = Number.POSITIVE_INFINITY }, version) => ({ version, knownMs: answeredMs })),
    ...current.map(({ version, endedMs }) => ({ version, knownMs: endedMs })),
  ].sort((a, b) => a.knownMs - b.knownMs);
  let next = 0;
  let known = 0;
  return current
    .toSorted((a, b) => a.sentMs - b.sentMs)
    .flatMap(({ what, stock, version, sentMs }) => {
      for (; facts[next]!.knownMs < sentMs; next++) known = Math.max(known, facts[next]!.version);
      const told = `${stock}: ${what} told version ${version}`;
      return version < known ? [`${told}; version ${known} was known before it was sent`] : [];
    });
}
