import { join } from 'node:path';
import { type InvoiceLine, readInvoiceLines } from '../../src/cli/invoice-lines.js';
import { projectRoot } from '../../src/project-root.js';
import type { Deed } from './simulated-store.js';

/** What comes with the first sale of a product. */
const DELIVERY_UNITS = 40;

/** Each store's share of the real sales (data/README.md), in their order; a product's first line comes after a delivery. */
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
  return lines.flatMap(({ product: productId, quantity }) => {
    const delivery: Deed = { productId, type: 'RESTOCK', quantity: DELIVERY_UNITS };
    const isNew = !known.has(productId);
    known.add(productId);
    const deed: Deed = { productId, type: quantity < 0 ? 'RETURN' : 'SALE', quantity: Math.abs(quantity) };
    return isNew ? [delivery, deed] : [deed];
  });
}
