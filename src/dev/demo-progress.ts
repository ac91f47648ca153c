import { Presets, SingleBar } from 'cli-progress';
import { seedDemoData } from './demo-data.js';
import { isInteractive, say } from './terminal.js';

/** Brings in the demo data and shows how far it is: a bar on a terminal, a line for each quarter elsewhere. */
export async function seedWithProgress(databaseUrl: string): Promise<void> {
  const show = isInteractive(process.stdout) ? bar() : lines();
  const startedAt = performance.now();
  let missing = 0;
  try {
    await seedDemoData(databaseUrl, (done, total) => {
      if (missing === 0) missing = total - done;
      if (missing > 0) show.update(done, total);
    });
  } finally {
    show.end();
  }
  const seconds = ((performance.now() - startedAt) / 1_000).toFixed(1);
  if (missing > 0) say(`Demo data: ${missing.toLocaleString('en-US')} stocks restocked in ${seconds} s.`);
}

interface Progress {
  update(done: number, total: number): void;
  end(): void;
}

function bar(): Progress {
  let shown: SingleBar | undefined;
  return {
    update: (done, total) => {
      if (shown === undefined) {
        shown = new SingleBar(
          { format: 'Demo data [{bar}] {value}/{total} stocks', hideCursor: true },
          Presets.rect,
        );
        shown.start(total, done);
      }
      shown.update(done);
    },
    end: () => shown?.stop(),
  };
}

function lines(): Progress {
  let nextQuarter = 1;
  return {
    update: (done, total) => {
      if (done * 4 < total * nextQuarter) return;
      nextQuarter = Math.floor((done * 4) / total) + 1;
      say(`Demo data: ${done.toLocaleString('en-US')} of ${total.toLocaleString('en-US')} stocks`);
    },
    end: () => undefined,
  };
}
