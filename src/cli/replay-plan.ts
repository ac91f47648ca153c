import { v5 as uuidv5 } from 'uuid';
import type { InvoiceLine } from './invoice-lines.js';
import type { ChangeRequest } from './messages.js';

/** The namespace of the event ids unless another one is asked for. */
export const REPLAY_NAMESPACE = '6f1d3c0a-52c7-4e0e-9d3b-0c7f4d1a8e25';

/** What every stock holds before its first invoice line. */
export const OPENING_UNITS = 1_000;

/** One stock and its lines, in the order of the file; they must be sent one after the other. */
export interface StockQueue {
  readonly store: string;
  readonly product: string;
  readonly lines: readonly InvoiceLine[];
}

/** One command of a replay. */
export interface ReplayCommand {
  readonly kind: 'opening' | 'sale' | 'return';
  readonly rpc: 'Sell' | 'Restock';
  /** Its line in the file; none for an opening. */
  readonly line: number | undefined;
  readonly request: ChangeRequest;
}

/**
 * Sorts the lines into one queue per stock. The longest queue comes first: it is what the end of a run waits for.
 */
export function stockQueues(lines: readonly InvoiceLine[]): StockQueue[] {
  const queues = new Map<string, { store: string; product: string; lines: InvoiceLine[] }>();
  for (const line of lines) {
    const { store, product } = line;
    const key = JSON.stringify([store, product]);
    const queue = queues.get(key);
    if (queue === undefined) queues.set(key, { store, product, lines: [line] });
    else queue.lines.push(line);
  }
  return [...queues.values()].sort((a, b) => b.lines.length - a.lines.length);
}

/** The commands of one stock in their order: the opening, then a sale or a return for each line. */
export function* commandsOf(queue: StockQueue, namespace: string): Generator<ReplayCommand> {
  const { store: storeId, product: productId } = queue;
  yield {
    kind: 'opening',
    rpc: 'Restock',
    line: undefined,
    request: {
      storeId,
      productId,
      quantity: OPENING_UNITS,
      eventId: uuidv5(`open|${storeId}|${productId}`, namespace),
      metadata: { kind: 'opening' },
    },
  };
  for (const line of queue.lines) {
    const isReturn = line.quantity < 0;
    yield {
      kind: isReturn ? 'return' : 'sale',
      rpc: isReturn ? 'Restock' : 'Sell',
      line: line.line,
      request: {
        storeId,
        productId,
        quantity: Math.abs(line.quantity),
        eventId: uuidv5(String(line.line), namespace),
        metadata: {
          kind: isReturn ? 'return' : 'sale',
          invoice: line.invoice,
          line: String(line.line),
          unitPrice: line.unitPrice,
        },
      },
    };
  }
}
