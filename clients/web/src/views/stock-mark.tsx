import type { Stock } from '../contract.js';
import { formatNumber } from './formats.js';

const LOW = 10;

/** A word on stocks that need one. */
export function StockMark({ stock: { quantity, oversold } }: { readonly stock: Stock }) {
  if (oversold > 0) return <span class="mark mark-bad">{formatNumber(oversold)} oversold</span>;
  if (quantity === 0) return <span class="mark mark-bad">Sold out</span>;
  if (quantity <= LOW) return <span class="mark mark-low">Low</span>;
  return null;
}
