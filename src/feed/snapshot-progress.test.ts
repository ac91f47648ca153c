import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { StockRow } from '../domain/types.js';
import { PendingChanges } from './pending-changes.js';
import { changeOf } from './sample-change.js';
import { SnapshotProgress } from './snapshot-progress.js';

/**
 * A snapshot that is read page by page while stocks change. The pages are read as of any time between their request and
 * their answer, as a database may; what is sent has to be every version after the page's, once, in order.
 */

const PRODUCTS = ['P1', 'P2', 'P3', 'P4', 'P5', 'P6'];

const rowOf = (productId: string, version: number): StockRow => ({
  ...{ storeId: 'S', productId, net: 0, version: BigInt(version), createTimeUs: 0, updateTimeUs: 0 },
});

class Model {
  readonly pending = new PendingChanges();
  readonly progress = new SnapshotProgress();
  /** What the database holds, and what the feed has delivered of it. */
  readonly written = new Map(PRODUCTS.map((product) => [product, 1]));
  readonly delivered = new Map(this.written);
  readonly sent = new Map<string, number>();
  #read = 0;
  #beat = 100;
  /** When each page was read. */
  #page: { rows: StockRow[]; end: number } | undefined;

  write(product: string): void {
    this.written.set(product, this.written.get(product)! + 1);
  }

  poll(): void {
    this.#beat++;
    for (const [product, version] of this.written) {
      for (let next = this.delivered.get(product)! + 1; next <= version; next++) {
        const change = changeOf(product, next);
        if (this.progress.needs(change)) this.pending.add(change);
      }
      this.delivered.set(product, version);
    }
    this.progress.delivered(BigInt(this.#beat));
  }

  /** The page's statement runs: it sees what is written by then. */
  readPage(): void {
    if (this.#read === PRODUCTS.length) return;
    this.progress.begin();
    const end = Math.min(this.#read + 2, PRODUCTS.length);
    const rows = PRODUCTS.slice(this.#read, end).map((product) => rowOf(product, this.written.get(product)!));
    this.#page = { rows, end };
  }

  /** Its answer arrives. */
  endPage(): void {
    if (this.#page === undefined) return;
    const { rows, end } = this.#page;
    this.#page = undefined;
    this.#read = end;
    const isLast = end === PRODUCTS.length;
    const last = rows.at(-1)!;
    const page = { stocks: rows, beat: BigInt(this.#beat), end: isLast ? undefined : last };
    this.progress.covered(page, this.pending);
    for (const row of rows) this.sent.set(row.productId, Number(row.version));
    this.send();
  }

  send(): void {
    for (const { change, skippedVersions } of this.pending.take(100)) {
      expect(skippedVersions).toBe(0);
      expect(Number(change.version)).toBe(this.sent.get(change.productId)! + 1);
      this.sent.set(change.productId, Number(change.version));
    }
  }
}

test('every version after a page is sent once and in order, whatever changes when', () => {
  const step = fc.oneof(
    { weight: 4, arbitrary: fc.constantFrom(...PRODUCTS) },
    { weight: 3, arbitrary: fc.constant('POLL') },
    { weight: 2, arbitrary: fc.constant('SEND') },
    { weight: 3, arbitrary: fc.constant('PAGE') },
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 100 }), (steps) => {
      const model = new Model();
      let reading = false;
      const page = () => {
        if (reading) model.endPage();
        else model.readPage();
        reading = !reading;
      };
      for (const each of steps) {
        if (each === 'POLL') model.poll();
        else if (each === 'SEND') model.send();
        else if (each === 'PAGE') page();
        else model.write(each);
      }
      if (reading) page();
      for (let n = 0; n < 2 * PRODUCTS.length; n++) page();
      for (let n = 0; n < 4; n++) model.poll();
      model.send();
      expect(model.sent).toEqual(model.written);
      expect(model.progress.over).toBe(true);
    }),
    { seed: 6, numRuns: 2_000 },
  );
});
