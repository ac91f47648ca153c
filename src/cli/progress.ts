import { Presets, SingleBar } from 'cli-progress';
import { count } from './tables.js';
import type { TextChannel } from './terminal.js';

/** Shows how far a job is. */
export interface Progress {
  update(done: number): void;
  stop(): void;
}

/** A bar where a person watches a terminal; elsewhere a line for every tenth of the job. */
export function startProgress(channel: TextChannel, what: string, total: number): Progress {
  return channel.isTerminal ? bar(channel, what, total) : percentLines(channel, what, total);
}

function bar(channel: TextChannel, what: string, total: number): Progress {
  const format = `${what} {bar} {percentage} %  {value} of {total}  {eta_formatted} left`;
  const single = new SingleBar(
    { format, stream: channel.stream, fps: 10, etaBuffer: 2_000, formatValue },
    Presets.shades_classic,
  );
  single.start(total, 0);
  return {
    update: (done) => single.update(done),
    stop: () => single.stop(),
  };
}

function formatValue(value: number, _options: unknown, type: string): string {
  return type === 'value' || type === 'total' ? count(value) : String(value);
}

function percentLines(channel: TextChannel, what: string, total: number): Progress {
  let shownTenths = 0;
  return {
    update: (done) => {
      const tenths = Math.floor((done / total) * 10);
      if (tenths <= shownTenths) return;
      shownTenths = tenths;
      channel.line(`${what}: ${tenths * 10} % (${count(done)} of ${count(total)})`);
    },
    stop: () => {},
  };
}
