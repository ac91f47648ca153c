import type { Callers, Result } from '../src/api/callers.js';
import type { Transport } from '../src/api/rpcs.js';
import { ErrorReason } from '../src/gen/grpc/inventory/v1/error_reason.js';
import { BatchMode, OperationType } from '../src/gen/grpc/inventory/v1/inventory.js';
import type { ApplyResponse } from '../src/gen/grpc/inventory/v1/inventory_service.js';

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
  /** The stock after it, or that a refusal was judged against; unset where the answer does not tell. */
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

/** Sends the commands, all of one store, as one batch over gRPC. */
export async function sendBatch(
  callers: Callers,
  mode: keyof typeof BatchMode,
  commands: readonly Command[],
): Promise<Answer[]> {
  const operations = commands.map(({ rpc, productId, quantity, eventId }) => ({
    ...{ productId, quantity, eventId, type: rpc === 'Sell' ? OperationType.SALE : OperationType.RESTOCK },
    ...{ reason: '', metadata: {} },
  }));
  const request = { storeId: commands[0]?.storeId, mode: BatchMode[mode], operations };
  const answer = await callers.overGrpc('Apply', request, { deadline: Date.now() + 30_000 });
  const results = answer.results as ApplyResponse['results'] | undefined;
  return results?.map(ofOperation) ?? commands.map(() => toAnswer(answer));
}

function ofOperation({ reason, replayed, stock, quantityBefore }: ApplyResponse['results'][number]): Answer {
  const refusal = ErrorReason[reason] ?? '';
  if (reason === ErrorReason.UNSPECIFIED) return toAnswer({ stock, quantityBefore, replayed });
  if (NOT_RECORDED.has(refusal)) return { refusal, replayed };
  return { refusal, replayed, quantity: quantityBefore, version: Number(stock?.version ?? 0) };
}

/** Refusals that are judged anew each time, and tell nothing of a stock. */
const NOT_RECORDED = new Set(['STOCK_NOT_FOUND', 'EVENT_ID_REUSED']);

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
