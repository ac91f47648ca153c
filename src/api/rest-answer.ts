import type { Stock } from '../gen/grpc/inventory/v1/inventory.js';
import { Source } from '../gen/grpc/inventory/v1/inventory.js';
import type {
  BatchGetResponse,
  GetResponse,
  ListResponse,
  SellResponse,
} from '../gen/grpc/inventory/v1/inventory_service.js';
import { formatTime, nowText } from './rest-time.js';

/** What REST answers: the original system's envelope around the same facts as over gRPC. */

/** The answer that is wanted most; spreading two objects into one would cost more than all else here. */
export function getAnswer({ stock, source, cached, maxAgeMs, stale }: GetResponse): object {
  const { storeId, productId, quantity, oversold, version, updateTime } = stock!;
  return readAnswer(cached, {
    storeId,
    productId,
    quantity,
    oversold,
    version,
    lastUpdated: formatTime(updateTime!),
    cached,
    source: Source[source],
    maxAgeMs,
    stale,
  });
}

export function listAnswer(response: ListResponse): object {
  const { stocks, nextPageToken } = response;
  return readAnswer(response.cached, {
    stocks: stocks.map(stockData),
    nextPageToken,
    ...freshnessData(response),
  });
}

export function batchGetAnswer(response: BatchGetResponse): object {
  const { stocks, missing } = response;
  return readAnswer(response.cached, { stocks: stocks.map(stockData), missing, ...freshnessData(response) });
}

/** Whether it was a replay stands in a header, so that the data of a replay is that of the first answer. */
export function movementAnswer(message: string, { stock, quantityBefore, eventId }: SellResponse): object {
  const data = { ...stockData(stock!), quantityBefore, eventId, cached: false };
  return { success: true, message, data, timestamp: nowText() };
}

export function readAnswer(cached: boolean, data: object): object {
  const message = cached ? 'Retrieved from cache' : 'Retrieved from database';
  return { success: true, message, data, timestamp: nowText() };
}

export function stockData({ storeId, productId, quantity, oversold, version, updateTime }: Stock): object {
  return { storeId, productId, quantity, oversold, version, lastUpdated: formatTime(updateTime!) };
}

export function freshnessData(
  response: Pick<GetResponse, 'source' | 'cached' | 'maxAgeMs' | 'stale'>,
): object {
  const { source, cached, maxAgeMs, stale } = response;
  return { source: Source[source], cached, maxAgeMs, stale };
}
