import { useEffect, useRef } from 'preact/hooks';

const PAUSE_MS = 1_000;

/**
 * Tells of news: at once, then at most once a second, however much happens; what came last is never left out.
 *
 * @param news another text is other news; none is empty.
 */
export function useNews(news: string, tell: () => void): void {
  const told = useRef({ news, at: Number.NEGATIVE_INFINITY });
  const newest = useRef(tell);
  newest.current = tell;
  useEffect(() => {
    if (news === told.current.news) return;
    const tellNow = () => {
      told.current = { news, at: performance.now() };
      newest.current();
    };
    if (news === '') {
      told.current.news = '';
      return;
    }
    const timer = setTimeout(tellNow, Math.max(0, told.current.at + PAUSE_MS - performance.now()));
    return () => clearTimeout(timer);
  }, [news]);
}
