import type { ComponentChildren } from 'preact';
import { useEffect, useMemo, useRef } from 'preact/hooks';
import { inventory } from '../api/client.js';
import { Consistency, type ListResponse, type Stock } from '../contract.js';
import { type Answer, useAnswer } from '../state/answer.js';
import type { NewestStocks } from '../state/newest-stocks.js';
import type { Go, Place } from '../state/place.js';
import { useNews } from '../state/use-news.js';
import { FailureNotice } from './failure-notice.js';
import { Freshness } from './freshness.js';
import { Pager } from './pager.js';

export interface ListProps {
  readonly place: Place;
  readonly go: Go;
  readonly stocks: NewestStocks;
}

/** The page of a list that the place says: of one store's stocks, or of one product's over all stores. */
export function useList(
  props: ListProps,
  filter: { readonly storeId: string } | { readonly productId: string },
  pageSize: number,
): Answer<ListResponse> {
  const { place, stocks } = props;
  const pageToken = place.pages.at(-1) ?? '';
  const news = useRef('');
  const answer = useAnswer(JSON.stringify([filter, pageToken, stocks.generation]), (signal) => {
    // What the page knows of already may not be missing, as it could on a replica.
    const consistency = news.current === '' ? Consistency.UNSPECIFIED : Consistency.STRONG;
    return inventory.list({ ...filter, pageToken, pageSize, consistency }, { signal });
  });
  useEffect(() => stocks.noteAll(answer.value?.stocks ?? []), [answer.value]);
  news.current = useNewProducts(answer.value, props);
  useNews(news.current, answer.reload);
  return answer;
}

/** Changes with the stocks that are known where one of them should be on the page of the place's store; else empty. */
function useNewProducts(page: ListResponse | undefined, { place, stocks }: ListProps): string {
  return useMemo(() => {
    if (page === undefined || place.store === '') return '';
    const isFirst = place.pages.length === 0;
    const isLast = page.nextPageToken === '';
    const missing = stocks.isMissingOn({ stocks: page.stocks, isFirst, isLast }, place.store);
    return missing ? String(stocks.size) : '';
  }, [page, stocks.size]);
}

interface ListCardProps extends ListProps {
  readonly title: string;
  readonly subtitle?: string;
  readonly answer: Answer<ListResponse>;
  readonly emptyText: string;
  /** Draws the stocks of the page, in their newest versions. */
  readonly children: (stocks: readonly Stock[]) => ComponentChildren;
}

/** What is around every list: its title, its pages, how fresh it is, and what went wrong. */
export function ListCard(props: ListCardProps) {
  const { place, go, stocks, title, subtitle, answer, emptyText, children } = props;
  const { value, failure, loading } = answer;
  return (
    <section class="card list" aria-labelledby="list-title" aria-busy={loading}>
      <h2 id="list-title">{title}</h2>
      {subtitle !== undefined && <p class="subtitle">{subtitle}</p>}
      {failure !== undefined && <FailureNotice failure={failure} />}
      {value === undefined && loading && <p class="empty">Reading …</p>}
      {value?.stocks.length === 0 && <p class="empty">{emptyText}</p>}
      {value !== undefined && value.stocks.length > 0 && children(value.stocks.map(stocks.of))}
      <footer>
        <Pager {...{ place, go }} nextToken={value?.nextPageToken ?? ''} />
        <Freshness answer={answer} />
      </footer>
    </section>
  );
}
