import type { Effect, OperationType } from '../../src/domain/types.js';

/** What happens to one stock, in the order in which the service hears of it, and what has to come of it. */
export interface Timeline {
  readonly title: string;
  readonly steps: readonly Step[];
  /** Of every operation, in that order. */
  readonly effects: readonly Effect[];
  /** Units on hand at the end. */
  readonly quantity: number;
  readonly oversold?: number;
}

/** An operation, and when it happened, in minutes. */
export type Deed = readonly [type: OperationType, quantity: number, minute: number];

export type Step =
  /** A command of a caller, taken at its minute; a count may tell of an earlier one. */
  | { readonly by: 'ONLINE'; readonly deed: Deed; readonly arrives: number }
  /** A message of the store's log: in order, or as the first one of a new epoch. */
  | {
      readonly by: 'STORE';
      readonly deeds: readonly Deed[];
      readonly arrives: number;
      readonly newEpoch?: true;
    };

const online = (type: OperationType, quantity: number, minute: number, arrives = minute): Step => ({
  by: 'ONLINE',
  deed: [type, quantity, minute],
  arrives,
});
const store = (arrives: number, ...deeds: Deed[]): Step => ({ by: 'STORE', deeds, arrives });
const newLog = (arrives: number, ...deeds: Deed[]): Step => ({ by: 'STORE', deeds, arrives, newEpoch: true });

const opening = online('RESTOCK', 10, 0);

export const TIMELINES: readonly Timeline[] = [
  {
    title: 'a sale that comes at once',
    steps: [opening, store(5, ['SALE', 3, 5])],
    effects: ['APPLIED', 'APPLIED'],
    quantity: 7,
  },
  {
    title: 'a sale after a count',
    steps: [opening, store(10, ['COUNT', 8, 10]), store(20, ['SALE', 2, 15])],
    effects: ['APPLIED', 'APPLIED', 'APPLIED'],
    quantity: 6,
  },
  {
    title: 'a sale from before a count by somebody else, that comes after it: the count has it',
    steps: [opening, online('COUNT', 8, 10), store(20, ['SALE', 2, 5])],
    effects: ['APPLIED', 'APPLIED', 'ABSORBED'],
    quantity: 8,
  },
  {
    title: 'a sale from after a count by somebody else, that comes late',
    steps: [opening, online('COUNT', 8, 10), store(30, ['SALE', 2, 15])],
    effects: ['APPLIED', 'APPLIED', 'APPLIED'],
    quantity: 6,
  },
  {
    title: 'sales before and after a count, in one message',
    steps: [opening, store(30, ['SALE', 4, 5], ['COUNT', 9, 8], ['SALE', 1, 9])],
    effects: ['APPLIED', 'APPLIED', 'APPLIED', 'APPLIED'],
    quantity: 8,
  },
  {
    title: 'two counts',
    steps: [opening, store(11, ['COUNT', 8, 10]), store(21, ['COUNT', 5, 20])],
    effects: ['APPLIED', 'APPLIED', 'APPLIED'],
    quantity: 5,
  },
  {
    title: 'a count that comes after a later one: that one knows better',
    steps: [opening, online('COUNT', 5, 20), store(30, ['COUNT', 8, 10])],
    effects: ['APPLIED', 'APPLIED', 'ABSORBED'],
    quantity: 5,
  },
  {
    title: 'an online sale between a count and its arrival is kept',
    steps: [opening, online('SALE', 3, 15), store(20, ['COUNT', 8, 10])],
    effects: ['APPLIED', 'APPLIED', 'APPLIED'],
    quantity: 5,
  },
  {
    title: 'a count that comes late does not wipe out what the same store sold since',
    steps: [opening, store(20, ['COUNT', 8, 10], ['SALE', 1, 12]), online('SALE', 2, 25)],
    effects: ['APPLIED', 'APPLIED', 'APPLIED', 'APPLIED'],
    quantity: 5,
  },
  {
    title: 'a restock from before a count, that comes after it: it stood on the shelf',
    steps: [opening, online('COUNT', 8, 10), store(20, ['RESTOCK', 5, 5])],
    effects: ['APPLIED', 'APPLIED', 'ABSORBED'],
    quantity: 8,
  },
  {
    title: 'a restock from after a count, that comes late',
    steps: [opening, online('COUNT', 8, 10), store(20, ['RESTOCK', 5, 15])],
    effects: ['APPLIED', 'APPLIED', 'APPLIED'],
    quantity: 13,
  },
  {
    title: 'more sold than there was, then a count',
    steps: [opening, store(6, ['SALE', 12, 5]), store(11, ['COUNT', 3, 10])],
    effects: ['APPLIED', 'OVERSOLD', 'APPLIED'],
    quantity: 3,
  },
  {
    title: 'more sold than there was, settled by an online restock',
    steps: [opening, store(6, ['SALE', 12, 5]), online('RESTOCK', 5, 10)],
    effects: ['APPLIED', 'OVERSOLD', 'APPLIED'],
    quantity: 3,
  },
  {
    title: 'a restock that is not enough to settle is applied all the same',
    steps: [opening, store(9, ['SALE', 15, 5], ['RESTOCK', 2, 6], ['RETURN', 1, 7])],
    effects: ['APPLIED', 'OVERSOLD', 'APPLIED', 'APPLIED'],
    quantity: 0,
    oversold: 2,
  },
  {
    title: 'waste beyond what there was, and more of it',
    steps: [opening, store(9, ['WASTE', 11, 5], ['WASTE', 1, 6])],
    effects: ['APPLIED', 'OVERSOLD', 'OVERSOLD'],
    quantity: 0,
    oversold: 2,
  },
  {
    title: 'a sale of what nobody knew of makes the stock',
    steps: [store(9, ['SALE', 2, 5])],
    effects: ['OVERSOLD'],
    quantity: 0,
    oversold: 2,
  },
  {
    title: 'a count that finds less than was sold since',
    steps: [opening, online('SALE', 3, 20), store(30, ['COUNT', 1, 10])],
    effects: ['APPLIED', 'APPLIED', 'OVERSOLD'],
    quantity: 0,
    oversold: 2,
  },
  {
    title: "a store's clock that is set back within its log: the order of the log holds",
    steps: [opening, store(20, ['COUNT', 8, 10], ['SALE', 1, 3]), store(21, ['SALE', 1, 4])],
    effects: ['APPLIED', 'APPLIED', 'APPLIED', 'APPLIED'],
    quantity: 6,
  },
  {
    title: "a store's clock that is ahead: what it did counts as done at receipt",
    steps: [opening, store(10, ['SALE', 2, 900]), online('COUNT', 6, 20), store(30, ['SALE', 1, 900])],
    effects: ['APPLIED', 'APPLIED', 'APPLIED', 'APPLIED'],
    quantity: 5,
  },
  {
    title: 'a sale of the very moment of a count is not before it',
    steps: [opening, store(11, ['COUNT', 8, 10]), newLog(20, ['SALE', 1, 10])],
    effects: ['APPLIED', 'APPLIED', 'APPLIED'],
    quantity: 7,
  },
  {
    title: 'a new log tells of what was before a count of the old one',
    steps: [opening, store(11, ['COUNT', 8, 10]), newLog(20, ['SALE', 1, 5], ['SALE', 1, 15])],
    effects: ['APPLIED', 'APPLIED', 'ABSORBED', 'APPLIED'],
    quantity: 7,
  },
];
