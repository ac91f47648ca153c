import type { OpenCommand } from '../state/commands.js';
import type { UsedCommands } from '../state/use-commands.js';
import { formatCommand } from './formats.js';

interface OpenCommandNoticeProps {
  readonly command: OpenCommand;
  readonly commands: UsedCommands;
}

/** A command that is under way, or that got no answer: what that means, and the ways on. */
export function OpenCommandNotice({ command, commands }: OpenCommandNoticeProps) {
  const { eventId, failure, sending } = command;
  if (failure === undefined) {
    return (
      <p class="notice" role="status">
        {formatCommand(command)} …
      </p>
    );
  }
  return (
    <div class="notice notice-warn" role="alert">
      <p>
        <strong>{formatCommand(command)}:</strong> {failure.text}
      </p>
      {failure.outcome === 'unknown' && (
        <p>It may have taken effect or not. Asking again is safe: it takes effect at most once.</p>
      )}
      <div class="actions">
        <button type="button" class="main" aria-disabled={sending} onClick={() => commands.repeat(eventId)}>
          {sending ? 'Asking …' : 'Ask again'}
        </button>
        <button
          type="button"
          class="quiet"
          aria-disabled={sending}
          onClick={() => !sending && commands.drop(eventId)}
        >
          Give up
        </button>
      </div>
      <p class="reason">
        {failure.reason} Event id <code>{eventId}</code>
      </p>
    </div>
  );
}
