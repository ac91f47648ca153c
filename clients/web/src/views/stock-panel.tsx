import type { RefObject } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { inventory } from '../api/client.js';
import { Consistency, type GetResponse, type Stock } from '../contract.js';
import { type Answer, useAnswer } from '../state/answer.js';
import type { NewestStocks } from '../state/newest-stocks.js';
import type { Go, Place } from '../state/place.js';
import type { UsedCommands } from '../state/use-commands.js';
import { useNews } from '../state/use-news.js';
import { FailureNotice } from './failure-notice.js';
import { Flash } from './flash.js';
import { formatNumber, formatTime } from './formats.js';
import { Freshness } from './freshness.js';
import { History } from './history.js';
import { Link } from './link.js';
import { MovementForm } from './movement-form.js';
import { StockMark } from './stock-mark.js';

interface StockPanelProps {
  readonly place: Place;
  readonly go: Go;
  readonly stocks: NewestStocks;
  readonly commands: UsedCommands;
}

/** One stock: how much there is and how sure that is, what can be done, and what was. */
export function StockPanel({ place, go, stocks, commands }: StockPanelProps) {
  const { store, product } = place;
  const [strong, setStrong] = useState(false);
  const answer = useStock(place, strong, stocks);
  const title = useFocusOnArrival(place);
  const missing = answer.failure?.reason === 'STOCK_NOT_FOUND';
  const badId = answer.failure?.reason === 'INVALID_FIELD';
  const version = stocks.versionOf(store, product);
  const settled = commands.settled?.command.eventId ?? '';
  return (
    <section class="card panel" aria-labelledby="panel-title" aria-busy={answer.loading}>
      <Link to={{ ...place, product: '' }} go={go} class="back">
        ← All products of {store}
      </Link>
      <h2 id="panel-title" ref={title} tabIndex={-1}>
        {product}
      </h2>
      <p class="in-store">
        in {store} ·{' '}
        <Link to={{ store: '', product, pages: [] }} go={go}>
          all stores
        </Link>
      </p>
      {answer.failure !== undefined && !(missing && version > 0n) && (
        <FailureNotice failure={answer.failure} />
      )}
      <Quantity stock={answer.value?.stock} stocks={stocks} />
      <div class="reading">
        <Freshness answer={answer} />
        <label class="check">
          <input
            type="checkbox"
            checked={strong}
            onChange={(event) => setStrong(event.currentTarget.checked)}
          />
          Always ask the primary
        </label>
      </div>
      {!badId && (
        <>
          <MovementForm key={`${store} ${product}`} storeId={store} productId={product} commands={commands} />
          <History
            key={`history ${store} ${product}`}
            {...{ storeId: store, productId: product, version, settled }}
            generation={stocks.generation}
          />
        </>
      )}
    </section>
  );
}

/** Whoever came here by keyboard or ear goes on from the title. A page that was just opened starts at its top. */
function useFocusOnArrival({ store, product }: Place): RefObject<HTMLHeadingElement | null> {
  const title = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    if (document.activeElement !== document.body) title.current?.focus();
  }, [store, product]);
  return title;
}

function useStock({ store, product }: Place, strong: boolean, stocks: NewestStocks): Answer<GetResponse> {
  const answer = useAnswer(JSON.stringify([store, product, strong, stocks.generation]), (signal) =>
    inventory.get(
      {
        storeId: store,
        productId: product,
        consistency: strong ? Consistency.STRONG : Consistency.UNSPECIFIED,
        // What the page has shown once it never takes back.
        minVersion: stocks.versionOf(store, product),
      },
      { signal },
    ),
  );
  useEffect(() => stocks.note(answer.value?.stock), [answer.value, stocks.note]);
  // There is a newer version: what is said about freshness shall be true of that one.
  const newest = stocks.versionOf(store, product);
  const answered = answer.value !== undefined || answer.failure !== undefined;
  const outdated = answered && (answer.value?.stock?.version ?? 0n) < newest;
  useNews(outdated ? `${store} ${product} ${newest}` : '', answer.reload);
  return answer;
}

function Quantity({ stock, stocks }: { readonly stock: Stock | undefined; readonly stocks: NewestStocks }) {
  if (stock === undefined) return null;
  const newest = stocks.of(stock);
  return (
    <div class="quantity-now">
      <p>
        <Flash key={`${newest.storeId} ${newest.productId}`} version={newest.version}>
          <span class="units">{formatNumber(newest.quantity)}</span>
        </Flash>{' '}
        on hand <StockMark stock={newest} />
      </p>
      <p class="muted">
        Version {String(newest.version)} · changed {formatTime(newest.updateTime)}
      </p>
    </div>
  );
}
