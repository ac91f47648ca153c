import { isDeepStrictEqual } from 'node:util';
import type { Answer, Command } from './commands.js';

/**
 * What a store is to its callers, in a few lines and with none of the service's code: its stocks, and the answer that each
 * event id got first. Nothing in it changes: each call makes the next model.
 */
export interface StockModel {
  readonly stocks: ReadonlyMap<string, { readonly net: number; readonly version: number }>;
  readonly decided: ReadonlyMap<string, { readonly payload: string; readonly answer: Answer }>;
}

export const EMPTY: StockModel = { stocks: new Map(), decided: new Map() };

/** Commands of one call, and what each was answered. */
export interface Answered {
  readonly commands: readonly Command[];
  /** All or none. */
  readonly atomic: boolean;
  readonly answers: readonly Answer[];
}

/**
 * Looks for an order of calls that were under way at the same time in which each would have got the answers that it got.
 *
 * @returns the model after it; undefined where there is none.
 */
export function explain(model: StockModel, calls: readonly Answered[]): StockModel | undefined {
  if (calls.length === 0) return model;
  for (const [index, { commands, atomic, answers }] of calls.entries()) {
    const expected = atomic ? judgeAtomic(model, commands) : judgeEach(model, commands);
    const told = answers.map(({ updatedMs: _, ...answer }) => answer);
    if (!isDeepStrictEqual(told, expected.answers)) continue;
    const end = explain(expected.next, calls.toSpliced(index, 1));
    if (end !== undefined) return end;
  }
  return undefined;
}

interface Judged {
  readonly answers: readonly Answer[];
  readonly next: StockModel;
}

function judgeEach(
  model: StockModel,
  commands: readonly Command[],
  judge: (model: StockModel, command: Command, index: number) => [Answer, StockModel] = judgeOne,
): Judged {
  let next = model;
  const answers = commands.map((command, index) => {
    const [answer, after] = judge(next, command, index);
    next = after;
    return answer;
  });
  return { answers, next };
}

/** Where any is refused, those that are refused keep their own reason, and the others are refused with them. */
function judgeAtomic(model: StockModel, commands: readonly Command[]): Judged {
  const trial = judgeEach(model, commands);
  if (trial.answers.every(({ refusal }) => refusal === '')) return trial;
  return judgeEach(model, commands, (soFar, command, index) => {
    const { refusal, quantity } = trial.answers[index]!;
    if (soFar.decided.has(command.eventId)) return judgeOne(soFar, command);
    if (refusal !== '' && refusal !== 'INSUFFICIENT_STOCK') return [trial.answers[index]!, soFar];
    const { net, version } = stockOf(soFar, command);
    return refusal === ''
      ? decide(soFar, command, refused('BATCH_REFUSED', net, version))
      : decide(soFar, command, refused(refusal, quantity ?? 0, version));
  });
}

function judgeOne(model: StockModel, command: Command): [Answer, StockModel] {
  const { rpc, productId, quantity, eventId } = command;
  const first = model.decided.get(eventId);
  if (first !== undefined) {
    const same = first.payload === payloadOf(command);
    return [same ? { ...first.answer, replayed: true } : refused('EVENT_ID_REUSED'), model];
  }
  if (rpc === 'Sell' && !model.stocks.has(productId)) return [refused('STOCK_NOT_FOUND'), model];
  const { net, version } = stockOf(model, command);
  const netAfter = rpc === 'Sell' ? net - quantity : net + quantity;
  if (netAfter < 0) return decide(model, command, refused('INSUFFICIENT_STOCK', net, version));
  const after = { net: netAfter, version: version + 1 };
  const stocks = new Map(model.stocks).set(productId, after);
  const answer = { quantity: netAfter, version: after.version, quantityBefore: net };
  return decide({ ...model, stocks }, command, { refusal: '', replayed: false, ...answer });
}

const stockOf = ({ stocks }: StockModel, { productId }: Command) =>
  stocks.get(productId) ?? { net: 0, version: 0 };

const payloadOf = ({ rpc, quantity, productId }: Command): string => `${rpc} ${quantity} ${productId}`;

const refused = (refusal: string, quantity?: number, version?: number): Answer => ({
  ...{ refusal, replayed: false },
  ...(quantity !== undefined && { quantity }),
  ...(version !== undefined && { version }),
});

/** From now on the event id stands for this. */
function decide(model: StockModel, command: Command, answer: Answer): [Answer, StockModel] {
  const decided = new Map(model.decided).set(command.eventId, { payload: payloadOf(command), answer });
  return [answer, { ...model, decided }];
}
