import { setTimeout as pause } from 'node:timers/promises';
import type { ProcessEnd } from './server-process.js';
import { complain, messageOf, say } from './terminal.js';

const mostRestarts = 5;
const restartWindowMs = 60_000;
const holdCheckMs = 100;

/** A part of the stack that runs. */
export interface Running {
  readonly exited: Promise<ProcessEnd>;
  stop(): Promise<void>;
}

/** Lets somebody outside keep a component down. */
export interface Hold {
  isHeld(): boolean;
  /** Told when the component runs again. */
  started(): void;
}

/** A part of the stack that can be started, and again when it has ended. */
export interface Component<T extends Running = Running> {
  /** As people call it. */
  readonly name: string;
  readonly hold?: Hold | undefined;
  /** Resolves when it answers; gives up when the signal fires. */
  start(signal: AbortSignal): Promise<T>;
}

interface Slot {
  readonly component: Component;
  readonly restarts: number[];
  running: Promise<Running>;
}

/** Starts components one after another, starts those again that end by themselves, and stops all in reverse order. */
export class Supervisor {
  private readonly slots: Slot[] = [];
  private readonly stopping = new AbortController();

  /** @param giveUp called when a component ends again and again. */
  constructor(private readonly giveUp: (reason: string) => void) {}

  /** Starts a component and watches over it. Fails when its first start fails, or when all is being stopped. */
  async start<T extends Running>(component: Component<T>): Promise<T> {
    this.stopping.signal.throwIfAborted();
    const running = component.start(this.stopping.signal);
    const slot: Slot = { component, restarts: [], running };
    this.slots.push(slot);
    const started = await running;
    this.watch(slot, started);
    return started;
  }

  /** Stops everything, the latest first. */
  async stop(): Promise<void> {
    this.stopping.abort(new Error('Stopped while starting.'));
    for (const slot of [...this.slots].reverse()) {
      const running = await slot.running.catch(() => undefined);
      await running?.stop();
    }
  }

  private watch(slot: Slot, running: Running): void {
    void running.exited.then(async (end) => {
      if (this.stopping.signal.aborted) return;
      const how = end.signal ?? `code ${end.code}`;
      if (!slot.component.hold?.isHeld())
        complain(`${slot.component.name} ended unexpectedly (${how}) and is started again.`);
      await this.restart(slot);
    });
  }

  private async untilReleased({ component, restarts }: Slot): Promise<void> {
    say(`${component.name} was stopped by "dev stop" and stays down until "dev start".`);
    while (!this.stopping.signal.aborted && component.hold?.isHeld()) await pause(holdCheckMs);
    restarts.length = 0;
  }

  private async restart(slot: Slot): Promise<void> {
    while (!this.stopping.signal.aborted) {
      if (slot.component.hold?.isHeld()) {
        await this.untilReleased(slot);
        continue;
      }
      if (restartedTooOften(slot)) {
        this.giveUp(`${slot.component.name} ended more than ${mostRestarts} times in a minute.`);
        return;
      }
      slot.running = slot.component.start(this.stopping.signal);
      try {
        const running = await slot.running;
        this.watch(slot, running);
        slot.component.hold?.started();
        // Whoever asked for the stop found nothing to stop while it was starting.
        if (slot.component.hold?.isHeld()) await running.stop();
        say(`${slot.component.name} runs again.`);
        return;
      } catch (error) {
        if (!this.stopping.signal.aborted) complain(messageOf(error));
      }
    }
  }
}

function restartedTooOften(slot: Slot): boolean {
  const now = performance.now();
  while (slot.restarts[0] !== undefined && now - slot.restarts[0] > restartWindowMs) slot.restarts.shift();
  slot.restarts.push(now);
  return slot.restarts.length > mostRestarts;
}
