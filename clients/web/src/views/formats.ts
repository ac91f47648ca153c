import { type Timestamp, timestampDate } from '@bufbuild/protobuf/wkt';
import { OperationType } from '../contract.js';
import type { Command } from '../state/commands.js';

const numbers = new Intl.NumberFormat('en');
const times = new Intl.DateTimeFormat('en-GB', {
  day: 'numeric',
  month: 'short',
  hour: '2-digit',
  minute: '2-digit',
  second: '2-digit',
});

/** 1234567 as 1,234,567. */
export const formatNumber = (value: number | bigint): string => numbers.format(value);

/** A change of units, always with its sign. */
export function formatChange(units: number): string {
  if (units === 0) return '0';
  return `${units < 0 ? '−' : '+'}${formatNumber(Math.abs(units))}`;
}

/** A time as the person's own clock shows it. */
export const formatTime = (time: Timestamp | undefined): string =>
  time === undefined ? '' : times.format(timestampDate(time));

/** An upper bound, so never rounded down: 212 as "0.3 s", 1000 as "1 s". */
export const formatBound = (ms: number): string => `${formatNumber(Math.ceil(ms / 100) / 10)} s`;

/** A command in words: "Sell 1,200 × PROD_0001". */
export const formatCommand = ({ movement, quantity = 0, productId }: Command): string =>
  `${movement === 'sell' ? 'Sell' : 'Restock'} ${formatNumber(quantity)} × ${productId}`;

const TYPES: Readonly<Record<OperationType, string>> = {
  [OperationType.UNSPECIFIED]: 'Unknown',
  [OperationType.SALE]: 'Sale',
  [OperationType.RESTOCK]: 'Restock',
  [OperationType.RETURN]: 'Return',
  [OperationType.COUNT]: 'Count',
  [OperationType.WASTE]: 'Waste',
};

/** What was done, also where a newer service has a type that this page does not know. */
export const formatType = (type: OperationType): string => TYPES[type] ?? TYPES[OperationType.UNSPECIFIED];
