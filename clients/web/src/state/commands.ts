import { v7 as uuidV7 } from 'uuid';
import { type Failure, toFailure } from '../api/failure.js';
import type { RestockResponse, SellResponse } from '../contract.js';

export type Movement = 'sell' | 'restock';
export type MovementResponse = SellResponse | RestockResponse;

/** What the person asked for, with the event id that was made before it was sent. */
export interface Command {
  readonly eventId: string;
  readonly movement: Movement;
  readonly storeId: string;
  readonly productId: string;
  readonly quantity: number | undefined;
}

/** A command without an answer that settles it. */
export interface OpenCommand extends Command {
  readonly sending: boolean;
  /** Why the newest try gave no such answer; undefined while the first one runs. */
  readonly failure: Failure | undefined;
}

/** A command and the answer that settled it. */
export type Settled =
  | { readonly command: Command; readonly response: MovementResponse }
  | { readonly command: Command; readonly failure: Failure };

/** Sends a command; the service knows it by its event id, however often it comes. */
export type Send = (command: Command) => Promise<MovementResponse>;

const STORAGE_KEY = 'onhand.open-commands';
const PAGE_WAS_LEFT: Failure = {
  outcome: 'unknown',
  reason: '',
  text: 'The page was left before the answer came.',
  fields: {},
  metadata: {},
};

/**
 * Commands from the moment they are asked until they are settled. Each keeps its event id over every try, and over a
 * reload of the page: so that an answer that got lost never makes a sale twice.
 */
export class Commands {
  #open: readonly OpenCommand[];

  constructor(
    private readonly send: Send,
    private readonly storage: Storage,
    /** Told after every change. */
    private readonly changed: (open: readonly OpenCommand[]) => void,
  ) {
    this.#open = readStored(storage);
  }

  get open(): readonly OpenCommand[] {
    return this.#open;
  }

  /** A new command: its event id is made and kept before it is sent. */
  ask(wanted: Omit<Command, 'eventId'>): Promise<Settled | undefined> {
    const command = { ...wanted, eventId: uuidV7() };
    this.#update([...this.#open, { ...command, sending: true, failure: undefined }]);
    return this.#try(command);
  }

  /** Sends an open command once more, with its own event id. */
  repeat(eventId: string): Promise<Settled | undefined> {
    const command = this.#open.find((open) => open.eventId === eventId);
    if (command === undefined || command.sending) return Promise.resolve(undefined);
    this.#change(eventId, { sending: true });
    return this.#try(command);
  }

  /** Gives a command up: whether it took effect is then told by the history only. */
  drop(eventId: string): void {
    this.#update(this.#open.filter((open) => open.eventId !== eventId));
  }

  /** @returns what settled the command; undefined where it stays open. */
  async #try({ eventId, movement, storeId, productId, quantity }: Command): Promise<Settled | undefined> {
    const command = { eventId, movement, storeId, productId, quantity };
    try {
      const response = await this.send(command);
      this.drop(eventId);
      return { command, response };
    } catch (error) {
      const failure = toFailure(error);
      if (failure.outcome === 'refused') {
        this.drop(eventId);
        return { command, failure };
      }
      this.#change(eventId, { sending: false, failure });
      return undefined;
    }
  }

  #change(eventId: string, change: Partial<OpenCommand>): void {
    this.#update(this.#open.map((open) => (open.eventId === eventId ? { ...open, ...change } : open)));
  }

  #update(open: readonly OpenCommand[]): void {
    this.#open = open;
    this.storage.setItem(STORAGE_KEY, JSON.stringify(open));
    this.changed(open);
  }
}

function readStored(storage: Storage): OpenCommand[] {
  try {
    const stored: OpenCommand[] = JSON.parse(storage.getItem(STORAGE_KEY) ?? '[]');
    return stored.map((open) => ({ ...open, sending: false, failure: open.failure ?? PAGE_WAS_LEFT }));
  } catch {
    return [];
  }
}
