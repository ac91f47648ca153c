import type { Callers, Result } from '../src/api/callers.js';
import type { Transport } from '../src/api/rpcs.js';

/** A change of one stock, as a caller asks for it. */
export interface Command {
  readonly rpc: 'Sell' | 'Restock';
  readonly storeId: string;
  readonly productId: string;
  readonly quantity: number;
  readonly eventId: string;
}

/** What a command came to, in the same words whichever way it was sent. */
export interface Answer {
  /** Empty where it was accepted; else the reason, or the code where the failure is not from the service. */
  readonly refusal: string;
  readonly replayed: boolean;
  /** The stock after it; unset where the answer does not tell. */
  readonly quantity?: number;
  readonly version?: number;
  /** Of what was accepted. */
  readonly quantityBefore?: number;
  readonly updatedMs?: number;
}

/** Sends a command. Over gRPC it never rejects; over HTTP it does where the connection breaks. */
export async function send(
  callers: Callers,
  transport: Transport,
  { rpc, ...request }: Command,
  timeoutMs = 30_000,
): Promise<Answer> {
  switch (transport) {
    case 'GRPC': {
      const options = { deadline: Date.now() + timeoutMs };
      return toAnswer(await callers.overGrpc(rpc, { ...request, metadata: {} }, options));
    }
    case 'CONNECT':
      return toAnswer(await callers.overConnect(rpc, request));
    case 'REST':
      return toAnswer(await callers.overRest(`/${rpc.toLowerCase()}`, request));
  }
}

/** The fields of a stock: an object of its own over gRPC and Connect, among the answer's fields in REST. */
interface StockFields {
  readonly quantity?: number;
  readonly version: bigint | string | number;
  readonly updateTime?: { readonly seconds: bigint; readonly nanos: number } | string;
  readonly lastUpdated?: string;
}

function toAnswer(result: Result): Answer {
  if (result.code !== undefined || result.reason !== undefined) return toRefusal(result);
  const stock = (result.stock ?? result) as StockFields;
  return {
    refusal: '',
    replayed: result.replayed === true,
    // JSON leaves out what is 0.
    quantity: stock.quantity ?? 0,
    version: Number(stock.version),
    quantityBefore: Number(result.quantityBefore ?? 0),
    updatedMs: toMs(stock.updateTime ?? stock.lastUpdated ?? ''),
  };
}

function toRefusal({ code, reason, metadata }: Result): Answer {
  const { available, version, replayed } = (metadata ?? {}) as Record<string, string>;
  return {
    refusal: reason ?? code ?? '',
    replayed: replayed === 'true',
    ...(available !== undefined && { quantity: Number(available) }),
    ...(version !== undefined && { version: Number(version) }),
  };
}

const toMs = (time: NonNullable<StockFields['updateTime']>): number =>
  typeof time === 'string'
    ? Date.parse(time)
    : Number(time.seconds) * 1000 + Math.floor(time.nanos / 1_000_000);

/** How many answers came to the same: accepted ones under `accepted`, others under their refusal. */
export function tally(answers: readonly Answer[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { refusal } of answers) {
    const kind = refusal || 'accepted';
    counts[kind] = (counts[kind] ?? 0) + 1;
  }
  return counts;
}
