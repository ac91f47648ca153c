import type { ComponentChildren } from 'preact';
import type { Failure } from '../api/failure.js';

interface FailureNoticeProps {
  readonly failure: Failure;
  /** What to do about it. */
  readonly children?: ComponentChildren;
}

/** Says what went wrong, aloud too. */
export function FailureNotice({ failure, children }: FailureNoticeProps) {
  return (
    <div class="notice notice-bad" role="alert">
      <p>{failure.text}</p>
      {children}
      {failure.reason !== '' && <p class="reason">{failure.reason}</p>}
    </div>
  );
}
