import { useEffect, useState } from 'preact/hooks';
import { type Failure, toFailure } from '../api/failure.js';

/** What the page has of one question to the service. */
export interface Answer<T> {
  /** The newest answer to this very question; it stays while the question is asked again. */
  readonly value: T | undefined;
  /** Why the newest try failed. */
  readonly failure: Failure | undefined;
  readonly loading: boolean;
  /** When the answer came, on the clock of performance.now(). */
  readonly receivedAt: number;
  reload(): void;
}

interface Known<T> extends Omit<Answer<T>, 'reload'> {
  readonly question: string;
}

/**
 * Asks when the view appears, when the question changes, and on `reload`.
 *
 * @param question what is asked, as text: another text is another question, and the old answer is not shown for it.
 */
export function useAnswer<T>(question: string, ask: (signal: AbortSignal) => Promise<T>): Answer<T> {
  const [turn, setTurn] = useState(0);
  const [known, setKnown] = useState<Known<T>>(unanswered(question));
  const current = known.question === question ? known : unanswered<T>(question);
  useEffect(() => {
    const abort = new AbortController();
    const settle = (change: Partial<Known<T>>) => {
      if (abort.signal.aborted) return;
      setKnown((before) => ({
        ...(before.question === question ? before : unanswered<T>(question)),
        ...change,
      }));
    };
    settle({ loading: true });
    ask(abort.signal).then(
      (value) => settle({ value, failure: undefined, loading: false, receivedAt: performance.now() }),
      (error: unknown) => settle({ failure: toFailure(error), loading: false }),
    );
    return () => abort.abort();
  }, [question, turn]);
  return { ...current, reload: () => setTurn((before) => before + 1) };
}

function unanswered<T>(question: string): Known<T> {
  return { question, value: undefined, failure: undefined, loading: true, receivedAt: 0 };
}
