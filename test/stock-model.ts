import { isDeepStrictEqual } from 'node:util';
import type { Answer, Command } from './commands.js';

/**
 * What a store is to its callers, in a few lines and with none of the service's code: its stocks, and the answer that each
 * event id got first. Nothing in it changes: each command makes the next model.
 */
export interface StockModel {
  readonly stocks: ReadonlyMap<string, { readonly net: number; readonly version: number }>;
  readonly decided: ReadonlyMap<string, { readonly payload: string; readonly answer: Answer }>;
}

export const EMPTY: StockModel = { stocks: new Map(), decided: new Map() };

/** A command that was sent, and what it was answered. */
export interface Answered {
  readonly command: Command;
  readonly answer: Answer;
}

/**
 * Looks for an order of commands that were under way at the same time in which each would have got the answer that it got.
 *
 * @returns the model after it; undefined where there is none.
 */
export function explain(model: StockModel, answered: readonly Answered[]): StockModel | undefined {
  if (answered.length === 0) return model;
  for (const [index, { command, answer }] of answered.entries()) {
    const { answer: expected, next } = judge(model, command);
    if (!isDeepStrictEqual({ ...answer, updatedMs: undefined }, { ...expected, updatedMs: undefined }))
      continue;
    const end = explain(next, answered.toSpliced(index, 1));
    if (end !== undefined) return end;
  }
  return undefined;
}

function judge(model: StockModel, command: Command): { answer: Answer; next: StockModel } {
  const { rpc, productId, quantity, eventId } = command;
  const payload = `${rpc} ${quantity} ${productId}`;
  const first = model.decided.get(eventId);
  if (first !== undefined) {
    const reused: Answer = { refusal: 'EVENT_ID_REUSED', replayed: false };
    const answer = first.payload === payload ? { ...first.answer, replayed: true } : reused;
    return { answer, next: model };
  }
  const stock = model.stocks.get(productId);
  if (stock === undefined && rpc === 'Sell')
    return { answer: { refusal: 'STOCK_NOT_FOUND', replayed: false }, next: model };
  const { net, version } = stock ?? { net: 0, version: 0 };
  const netAfter = rpc === 'Sell' ? net - quantity : net + quantity;
  const answer: Answer =
    netAfter < 0
      ? { refusal: 'INSUFFICIENT_STOCK', replayed: false, quantity: net, version }
      : { refusal: '', replayed: false, quantity: netAfter, version: version + 1, quantityBefore: net };
  const decided = new Map(model.decided).set(eventId, { payload, answer });
  const after = { net: netAfter, version: version + 1 };
  const stocks = netAfter < 0 ? model.stocks : new Map(model.stocks).set(productId, after);
  return { answer, next: { stocks, decided } };
}
