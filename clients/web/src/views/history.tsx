import { useEffect, useState } from 'preact/hooks';
import { inventory } from '../api/client.js';
import { ErrorReason, type Event, EventStatus, OperationType, Origin } from '../contract.js';
import { useAnswer } from '../state/answer.js';
import { FailureNotice } from './failure-notice.js';
import { formatChange, formatNumber, formatTime } from './formats.js';

const PAGE_SIZE = 10;

interface HistoryProps {
  readonly storeId: string;
  readonly productId: string;
  /** The version that the page knows; another one means that something happened. */
  readonly version: bigint;
}

const TYPES: Readonly<Record<OperationType, string>> = {
  [OperationType.UNSPECIFIED]: 'Unknown',
  [OperationType.SALE]: 'Sale',
  [OperationType.RESTOCK]: 'Restock',
  [OperationType.RETURN]: 'Return',
  [OperationType.COUNT]: 'Count',
  [OperationType.WASTE]: 'Waste',
};

const ORIGINS: Readonly<Record<Origin, string>> = {
  [Origin.UNSPECIFIED]: '',
  [Origin.GRPC]: 'gRPC',
  [Origin.CONNECT]: 'Connect',
  [Origin.REST]: 'REST',
  [Origin.SYNC]: 'Sync',
  [Origin.SYSTEM]: 'System',
};

/** What happened to a stock, the newest first: accepted and refused. */
export function History({ storeId, productId, version }: HistoryProps) {
  const [pages, setPages] = useState<readonly string[]>([]);
  const pageToken = pages.at(-1) ?? '';
  const answer = useAnswer(JSON.stringify([storeId, productId, pageToken]), (signal) =>
    inventory.listEvents(
      { storeId, productId, pageToken, pageSize: PAGE_SIZE, descending: true },
      { signal },
    ),
  );
  useEffect(() => {
    if (answer.value !== undefined) answer.reload();
  }, [version]);
  const nextToken = answer.value?.nextPageToken ?? '';
  return (
    <section class="history" aria-labelledby="history-title" aria-busy={answer.loading}>
      <h3 id="history-title">History</h3>
      {answer.failure !== undefined && <FailureNotice failure={answer.failure} />}
      <ol>
        {answer.value?.events.map((event) => (
          <HistoryEntry key={event.eventId} event={event} />
        ))}
      </ol>
      {answer.value?.events.length === 0 && <p class="empty">Nothing has happened here yet.</p>}
      <div class="pager">
        {pages.length > 0 && (
          <button type="button" onClick={() => setPages(pages.slice(0, -1))}>
            Newer
          </button>
        )}
        {nextToken !== '' && (
          <button type="button" onClick={() => setPages([...pages, nextToken])}>
            Older
          </button>
        )}
      </div>
    </section>
  );
}

function HistoryEntry({ event }: { readonly event: Event }) {
  const refused = event.status === EventStatus.FAILED;
  return (
    <li class={refused ? 'refused' : ''}>
      <span class="change">{formatChange(refused ? event.requestedDelta : event.appliedDelta)}</span>
      <span class="what">
        {TYPES[event.type] ?? TYPES[OperationType.UNSPECIFIED]}
        {refused && <span class="mark mark-bad">Refused: {reasonText(event.reason)}</span>}
      </span>
      <span class="after">{formatNumber(event.quantityAfter)} on hand</span>
      <span class="when">
        {formatTime(event.recordedTime)} · version {String(event.version)} · {ORIGINS[event.origin] ?? ''} ·{' '}
        {event.actor}
      </span>
      <code class="event-id">{event.eventId}</code>
    </li>
  );
}

/** INSUFFICIENT_STOCK as "insufficient stock". */
const reasonText = (reason: ErrorReason): string =>
  (ErrorReason[reason] ?? 'unknown').toLowerCase().replaceAll('_', ' ');
