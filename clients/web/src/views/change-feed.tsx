import { Effect, type StockChange } from '../contract.js';
import type { LiveView } from '../state/live-store.js';
import type { Go, Place } from '../state/place.js';
import { formatChange, formatNumber, formatTime, formatType } from './formats.js';
import { Link } from './link.js';

interface ChangeFeedProps {
  readonly place: Place;
  readonly go: Go;
  readonly live: LiveView;
}

/** The newest changes of the place's store, as they happen. */
export function ChangeFeed({ place, go, live }: ChangeFeedProps) {
  return (
    <section class="card feed" aria-labelledby="feed-title">
      <h2 id="feed-title">Changes</h2>
      {live.changes.length === 0 && (
        <p class="empty">What is sold or restocked from now on shows here at once.</p>
      )}
      <ol class="entries">
        {live.changes.map((change) => (
          <FeedEntry key={change.eventId} {...{ place, go, change }} />
        ))}
      </ol>
    </section>
  );
}

interface FeedEntryProps {
  readonly place: Place;
  readonly go: Go;
  readonly change: StockChange;
}

function FeedEntry({ place, go, change }: FeedEntryProps) {
  const { stock, appliedDelta, type, effect, skippedVersions, recordedTime, actor } = change;
  const { productId = '', quantity = 0 } = stock ?? {};
  return (
    <li class="flash">
      <span class="change">{formatChange(appliedDelta)}</span>
      <span class="what">
        <Link to={{ ...place, product: productId }} go={go}>
          {productId}
        </Link>
        {effect === Effect.OVERSOLD && <span class="mark mark-bad">Oversold</span>}
      </span>
      <span class="after">{formatNumber(quantity)} on hand</span>
      <span class="when">
        {formatType(type)} · {formatTime(recordedTime)} · {actor}
        {skippedVersions > 0n && ` · ${formatNumber(skippedVersions)} before it not shown`}
      </span>
    </li>
  );
}
