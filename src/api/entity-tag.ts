import type { GetResponse } from '../gen/grpc/inventory/v1/inventory_service.js';

/**
 * The entity tag of an answer: the stock's version, and when it came to be, in microseconds; a primary that was lost with
 * its last commits leaves versions that are given out again. Weak, since the same version may come with another age.
 */
export function entityTagOf({ stock }: GetResponse): string {
  const { version, updateTime } = stock!;
  const { seconds, nanos } = updateTime!;
  return `W/"${version}-${Number(seconds) * 1_000_000 + Math.trunc(nanos / 1000)}"`;
}

/**
 * Whether what a header If-None-Match names is still so; weak and strong tags are compared alike. A stale answer does not
 * show that it is.
 */
export function isUnchanged({ stale }: GetResponse, tag: string, ifNoneMatch: string | undefined): boolean {
  if (stale || ifNoneMatch === undefined) return false;
  const opaque = tag.slice(2);
  return ifNoneMatch.split(',').some((each) => ['*', opaque, tag].includes(each.trim()));
}
