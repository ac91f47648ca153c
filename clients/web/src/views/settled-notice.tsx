import type { Settled } from '../state/commands.js';
import { FailureNotice } from './failure-notice.js';
import { formatCommand, formatNumber } from './formats.js';

interface SettledNoticeProps {
  readonly settled: Settled;
  /** Takes over a quantity that would do. */
  readonly onQuantity: (units: number) => void;
}

/** What became of the last command. */
export function SettledNotice({ settled, onQuantity }: SettledNoticeProps) {
  if ('failure' in settled) {
    const { failure } = settled;
    if (failure.fields.quantity !== undefined) return null;
    const available = Number(failure.metadata.available ?? 0);
    return (
      <FailureNotice failure={failure}>
        {failure.reason === 'INSUFFICIENT_STOCK' && available > 0 && (
          <button type="button" class="quiet" onClick={() => onQuantity(available)}>
            Take {formatNumber(available)} instead
          </button>
        )}
      </FailureNotice>
    );
  }
  const { stock, replayed } = settled.response;
  return (
    <div class="notice notice-good" role="status">
      <p>
        <strong>{formatCommand(settled.command)}:</strong> done. {formatNumber(stock?.quantity ?? 0)} on hand.
      </p>
      {replayed && <p>It had taken effect before; this is the first outcome again.</p>}
    </div>
  );
}
