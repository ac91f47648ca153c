import type { Go, Place } from '../state/place.js';
import type { UsedCommands } from '../state/use-commands.js';
import { formatCommand } from './formats.js';
import { Link } from './link.js';

interface OpenCommandsProps {
  readonly place: Place;
  readonly go: Go;
  readonly commands: UsedCommands;
}

/** Reminds of commands without an answer that belong to other stocks than the one shown. */
export function OpenCommands({ place, go, commands }: OpenCommandsProps) {
  const elsewhere = commands.open.filter(
    ({ failure, storeId, productId }) =>
      failure !== undefined && (storeId !== place.store || productId !== place.product),
  );
  if (elsewhere.length === 0) return null;
  return (
    <aside class="notice notice-warn reminder" aria-label="Commands without an answer">
      {elsewhere.map((command) => (
        <p key={command.eventId}>
          No answer yet:{' '}
          <Link to={{ store: command.storeId, product: command.productId, pages: [] }} go={go}>
            {formatCommand(command)} in {command.storeId}
          </Link>
        </p>
      ))}
    </aside>
  );
}
