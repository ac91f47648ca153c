import { useEffect, useState } from 'preact/hooks';
import { Source } from '../contract.js';
import type { Answer } from '../state/answer.js';
import { formatBound } from './formats.js';

/** What every answer of a read tells about itself. */
interface Aged {
  readonly source: Source;
  readonly maxAgeMs: number;
  readonly stale: boolean;
}

const SOURCES: Readonly<Record<Source, string>> = {
  [Source.UNSPECIFIED]: 'an unknown source',
  [Source.LOCAL_CACHE]: "the service's memory",
  [Source.SHARED_CACHE]: 'Redis',
  [Source.REPLICA]: 'a replica',
  [Source.PRIMARY]: 'the primary',
};

/** Where the answer came from, how old it could be when it came, and how long ago that was. */
export function Freshness({ answer }: { readonly answer: Answer<Aged> }) {
  const now = useSecondsClock();
  const { value, receivedAt, loading, reload } = answer;
  return (
    <div class="freshness">
      {value !== undefined && (
        <span class={value.stale ? 'age age-stale' : 'age'} data-testid="freshness">
          From {SOURCES[value.source] ?? SOURCES[Source.UNSPECIFIED]}, at most {formatBound(value.maxAgeMs)}{' '}
          old. Read {sinceText(now - receivedAt)}.{value.stale && ' Nothing fresher can be reached.'}
        </span>
      )}
      <button type="button" class="quiet" onClick={reload} aria-disabled={loading}>
        Refresh
      </button>
    </div>
  );
}

function useSecondsClock(): number {
  const [now, setNow] = useState(performance.now());
  useEffect(() => {
    const timer = setInterval(() => setNow(performance.now()), 1_000);
    return () => clearInterval(timer);
  }, []);
  return now;
}

function sinceText(ms: number): string {
  if (ms < 2_000) return 'just now';
  if (ms < 60_000) return `${Math.floor(ms / 1_000)} s ago`;
  return `${Math.floor(ms / 60_000)} min ago`;
}
