import { useMemo, useState } from 'preact/hooks';
import { inventory } from '../api/client.js';
import type { Stock } from '../contract.js';
import { Commands, type OpenCommand, type Send, type Settled } from './commands.js';

export interface UsedCommands {
  readonly open: readonly OpenCommand[];
  /** The command that was settled last, until it is dismissed or the next one is asked. */
  readonly settled: Settled | undefined;
  dismiss(): void;
  ask(command: Parameters<Commands['ask']>[0]): void;
  repeat(eventId: string): void;
  drop(eventId: string): void;
}

const send: Send = ({ movement, ...request }) => inventory[movement](request);

/** The commands of this page. `onStock` is told every stock that an answer brings. */
export function useCommands(onStock: (stock: Stock | undefined) => void): UsedCommands {
  const [open, setOpen] = useState<readonly OpenCommand[]>([]);
  const [settled, setSettled] = useState<Settled>();
  const commands = useMemo(() => {
    const made = new Commands(send, sessionStorage, setOpen);
    setOpen(made.open);
    return made;
  }, []);
  const note = (result: Settled | undefined) => {
    if (result === undefined) return;
    if ('response' in result) onStock(result.response.stock);
    setSettled(result);
  };
  return {
    open,
    settled,
    dismiss: () => setSettled(undefined),
    ask(command) {
      setSettled(undefined);
      void commands.ask(command).then(note);
    },
    repeat(eventId) {
      void commands.repeat(eventId).then(note);
    },
    drop: (eventId) => commands.drop(eventId),
  };
}
