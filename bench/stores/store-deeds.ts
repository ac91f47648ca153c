import { join } from 'node:path';
import { type InvoiceLine, readInvoiceLines } from '../../src/cli/invoice-lines.js';
import { projectRoot } from '../../src/project-root.js';
import type { Deed } from './simulated-store.js';

/** What comes with the first sale of a product. */
const DELIVERY_UNITS = 40;

/** After so many lines of a store the product of the last one is counted, and that many are found. */
const COUNT_EVERY = 25;
const COUNTED_UNITS = 30;

/**
 * Each store's share of the real sales (data/README.md), in their order; a product's first line comes after a delivery, and
 * now and then a product is counted.
 */
export async function readDeeds(stores: number): Promise<Deed[][]> {
  const lines = await readInvoiceLines(join(projectRoot(), 'data', 'online-retail-lines.csv.gz'));
  const shares = Array.from({ length: stores }, (): InvoiceLine[] => []);
  for (const line of lines) shares[storeOf(line, stores)]?.push(line);
  return shares.map(deedsOf);
}

/** An invoice is written in one store. */
const storeOf = ({ invoice }: InvoiceLine, stores: number): number =>
  Number(invoice.replace(/\D/g, '')) % stores;

function deedsOf(lines: readonly InvoiceLine[]): Deed[] {
  const known = new Set<string>();
  return lines.flatMap(({ product: productId, quantity }, index) => {
    const delivery: Deed = { productId, type: 'RESTOCK', quantity: DELIVERY_UNITS };
    const isNew = !known.has(productId);
    known.add(productId);
    const deed: Deed = { productId, type: quantity < 0 ? 'RETURN' : 'SALE', quantity: Math.abs(quantity) };
    const count: Deed = { productId, type: 'COUNT', quantity: COUNTED_UNITS };
    return [...(isNew ? [delivery] : []), deed, ...(index % COUNT_EVERY === COUNT_EVERY - 1 ? [count] : [])];
  });
}
