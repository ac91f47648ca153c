import { useEffect, useRef, useState } from 'preact/hooks';
import { inventory } from '../api/client.js';
import { Consistency, ErrorReason, type Event, EventStatus, Origin } from '../contract.js';
import { useAnswer } from '../state/answer.js';
import { useNews } from '../state/use-news.js';
import { FailureNotice } from './failure-notice.js';
import { formatChange, formatNumber, formatTime, formatType } from './formats.js';
import { Freshness } from './freshness.js';

const PAGE_SIZE = 10;

interface HistoryProps {
  readonly storeId: string;
  readonly productId: string;
  /** Another version means that something happened, which the history shall show. */
  readonly version: bigint;
  /** Another one means that what was read before is not to be trusted. */
  readonly generation: number;
  /** Another text means that the person did something: the history goes to its newest page. */
  readonly settled: string;
}

const ORIGINS: Readonly<Record<Origin, string>> = {
  [Origin.UNSPECIFIED]: '',
  [Origin.GRPC]: 'gRPC',
  [Origin.CONNECT]: 'Connect',
  [Origin.REST]: 'REST',
  [Origin.SYNC]: 'Sync',
  [Origin.SYSTEM]: 'System',
};

/** What happened to a stock, the newest first: accepted and refused. */
export function History({ storeId, productId, version, generation, settled }: HistoryProps) {
  const [pages, setPages] = useState<readonly string[]>([]);
  const pageToken = pages.at(-1) ?? '';
  const news = `${version} ${settled}`;
  const firstNews = useRef(news);
  const request = { storeId, productId, pageToken, pageSize: PAGE_SIZE, descending: true };
  const answer = useAnswer(JSON.stringify([request, generation]), (signal) =>
    inventory.listEvents({ ...request, consistency: consistencyFor(news, firstNews.current) }, { signal }),
  );
  useNews(news, () => {
    // Whoever reads an older page stays there; its newer neighbours are read when they are asked for.
    if (pages.length === 0) answer.reload();
  });
  const firstSettled = useRef(settled);
  useEffect(() => {
    if (settled !== firstSettled.current) setPages([]);
  }, [settled]);
  const { events = [], nextPageToken = '' } = answer.value ?? {};
  return (
    <section class="history" aria-labelledby="history-title" aria-busy={answer.loading}>
      <h3 id="history-title">History</h3>
      {answer.failure !== undefined && <FailureNotice failure={answer.failure} />}
      <ol class="entries">
        {events.map((event) => (
          <HistoryEntry key={event.eventId} event={event} />
        ))}
      </ol>
      {answer.value !== undefined && events.length === 0 && nextPageToken === '' && (
        <p class="empty">Nothing has happened here yet.</p>
      )}
      <footer>
        <HistoryPager {...{ pages, setPages, nextPageToken }} />
        <Freshness answer={answer} />
      </footer>
    </section>
  );
}

/** What the person has just done may not be missing, as it could on a replica. */
const consistencyFor = (news: string, firstNews: string): Consistency =>
  news === firstNews ? Consistency.UNSPECIFIED : Consistency.STRONG;

interface HistoryPagerProps {
  readonly pages: readonly string[];
  readonly setPages: (pages: readonly string[]) => void;
  readonly nextPageToken: string;
}

function HistoryPager({ pages, setPages, nextPageToken }: HistoryPagerProps) {
  if (pages.length === 0 && nextPageToken === '') return null;
  return (
    <nav class="pager" aria-label="Pages of the history">
      <button
        type="button"
        aria-disabled={pages.length === 0}
        onClick={() => pages.length > 0 && setPages(pages.slice(0, -1))}
      >
        Newer
      </button>
      <button
        type="button"
        aria-disabled={nextPageToken === ''}
        onClick={() => nextPageToken !== '' && setPages([...pages, nextPageToken])}
      >
        Older
      </button>
    </nav>
  );
}

function HistoryEntry({ event }: { readonly event: Event }) {
  const refused = event.status === EventStatus.FAILED;
  return (
    <li class={refused ? 'refused' : ''}>
      <span class="change">{formatChange(refused ? event.requestedDelta : event.appliedDelta)}</span>
      <span class="what">
        {formatType(event.type)}
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
