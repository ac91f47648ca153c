import { createHash } from 'node:crypto';

/**
 * What a load client is asked to do. Every command that it sends, event ids too, follows from the plan alone: they are made
 * before they are sent, and a run can be repeated.
 */
export interface LoadPlan {
  /** Two clients of one database need two seeds. */
  readonly seed: string;
  /** Services as host:port. A call goes to one of them, its next try to the next. */
  readonly addresses: readonly string[];
  /** Connections to each service. */
  readonly connections: number;
  readonly load: ClosedLoop | OpenLoop;
  readonly stocks: StockSet;
  /** How often each kind of call comes, as weights. */
  readonly mix: Readonly<Partial<Record<Rpc, number>>>;
  /** Units of a sale, at most; a restock has twice as many, so that stocks neither run dry nor pile up. Default 3. */
  readonly largestSale?: number;
  /** Operations of one Apply. */
  readonly batchSize?: number;
  /** Each call's. */
  readonly deadlineMs: number;
  /** How often a call is made at most, always with the same event ids; repeated after what may pass. Default 1. */
  readonly tries?: number;
  /** The load ends by itself after this time, or when it is stopped. */
  readonly seconds: number;
}

/** So many calls wait for their answers at any time: a slow service gets fewer of them. */
export interface ClosedLoop {
  readonly inFlight: number;
}

/** So many calls are sent each second, whatever becomes of them. */
export interface OpenLoop {
  readonly perSecond: number;
}

export const RPCS = ['Get', 'GetStrong', 'Sell', 'Restock', 'ApplyAtomic', 'ApplyIndependent'] as const;
export type Rpc = (typeof RPCS)[number];

/** Stocks of some stores: `<prefix>-1` and so on, each with the products `p-1` and so on. */
export interface StockSet {
  readonly storePrefix: string;
  readonly stores: number;
  readonly products: number;
}

export interface Command {
  readonly storeId: string;
  readonly productId: string;
  readonly type: 'SALE' | 'RESTOCK';
  readonly quantity: number;
  readonly eventId: string;
}

/** One call of the service: a read of the stock of its one command, by default or STRONG, or a change. */
export interface Call {
  readonly rpc: Rpc;
  readonly commands: readonly Command[];
}

export const storeIds = ({ storePrefix, stores }: StockSet): string[] =>
  Array.from({ length: stores }, (_, index) => `${storePrefix}-${index + 1}`);

export const productIds = ({ products }: StockSet): string[] =>
  Array.from({ length: products }, (_, index) => `p-${index + 1}`);

/** The call with this number. */
export function callAt(plan: LoadPlan, index: number): Call {
  const dice = roll(`${plan.seed}/${index}`);
  const rpc = chosenRpc(plan.mix, dice.share);
  if (!rpc.startsWith('Apply')) {
    return { rpc, commands: [command(plan, dice, dice.store, rpc === 'Restock')] };
  }
  const operations = Array.from({ length: plan.batchSize ?? 1 }, (_, position) =>
    roll(`${plan.seed}/${index}/${position}`),
  );
  return {
    rpc,
    commands: operations.map((own) => command(plan, own, dice.store, own.share < 1 / 3)),
  };
}

/** Numbers that follow from a text and look like chance. */
interface Dice {
  readonly eventId: string;
  /** At least 0 and below 1. */
  readonly share: number;
  readonly store: number;
  readonly product: number;
  readonly quantity: number;
}

function roll(text: string): Dice {
  const hash = createHash('sha256').update(text).digest();
  const [store, product, quantity] = [16, 20, 24].map((at) => hash.readUInt32LE(at)) as [
    number,
    number,
    number,
  ];
  const share = hash.readUInt32LE(28) / 2 ** 32;
  // The bits that make the rest a UUID of version 8: made from whatever its maker likes.
  hash[6] = (hash[6]! & 0x0f) | 0x80;
  hash[8] = (hash[8]! & 0x3f) | 0x80;
  const hex = hash.toString('hex', 0, 16);
  const eventId = hex.replace(/(.{8})(.{4})(.{4})(.{4})(.{12})/, '$1-$2-$3-$4-$5');
  return { eventId, share, store, product, quantity };
}

function chosenRpc(mix: LoadPlan['mix'], share: number): Rpc {
  const total = RPCS.reduce((sum, rpc) => sum + (mix[rpc] ?? 0), 0);
  let left = share * total;
  for (const rpc of RPCS) {
    left -= mix[rpc] ?? 0;
    if (left < 0) return rpc;
  }
  throw new Error('The plan has no calls in its mix.');
}

function command(
  { stocks, largestSale = 3 }: LoadPlan,
  dice: Dice,
  store: number,
  restock: boolean,
): Command {
  return {
    storeId: `${stocks.storePrefix}-${(store % stocks.stores) + 1}`,
    productId: `p-${(dice.product % stocks.products) + 1}`,
    type: restock ? 'RESTOCK' : 'SALE',
    quantity: 1 + (dice.quantity % (restock ? 2 * largestSale : largestSale)),
    eventId: dice.eventId,
  };
}
