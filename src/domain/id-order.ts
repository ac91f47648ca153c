import type { StockKey } from './types.js';

/** The order of ids in the database (COLLATE "C" of UTF-8): by code point, which UTF-16 units do not follow everywhere. */
export function compareIds(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const difference = weightOf(a.charCodeAt(i)) - weightOf(b.charCodeAt(i));
    if (difference !== 0) return difference;
  }
  return a.length - b.length;
}

/** Surrogates stand for code points above all others. */
function weightOf(unit: number): number {
  if (unit < 0xd800) return unit;
  return unit < 0xe000 ? unit + 0x2000 : unit - 0x800;
}

/** By product, then by store. */
export const compareByProduct = (a: StockKey, b: StockKey): number =>
  compareIds(a.productId, b.productId) || compareIds(a.storeId, b.storeId);
