import { afterEach, expect, test } from '@jest/globals';
import { describeNeeding } from '../../src/dev/describe-needing.js';
import { REDIS } from '../../src/dev/optional-programs.js';
import { importOf, type Mutant } from '../mutants/mutant.js';
import type { StalenessTotals } from '../staleness/staleness-checker.js';
import {
  cutFromWrites,
  killRedis,
  lateStandbys,
  lateStandbysAndFlushes,
  lateStandbysWithoutRedis,
  startBesideOldDump,
} from './cache-faults.js';
import { note } from './findings.js';
import { Stage } from './stage.js';
import { putUpScene, type Scene } from './staleness-scene.js';
import { stopBeforeFillsWhileCrowded, stoppingBeforeFills } from './stopped-processes.js';

/**
 * What keeps the caches true, with a piece missing: each has to be found out by the fault that shows it, which the service
 * as it is stands (staleness.faults.ts and staleness-redis.faults.ts).
 */

const RUN_TIMEOUT_MS = 400_000;
const SEEDS = [1, 2, 3];
const READINGS_BEFORE = 3_000;
const READINGS_AFTER = 3_000;
const PATIENCE_MS = 120_000;

const stage = new Stage();

afterEach(() => stage.clear());

interface Row {
  readonly without: string;
  readonly mutants: readonly Mutant[];
  /** Modules that the fault needs in the services. */
  readonly imports?: readonly string[];
  readonly fault: (scene: Scene) => Promise<void>;
}

const withoutRule: Mutant = {
  file: 'src/reads/change-slots.js',
  replace: [['if (Number(asOf) >=', 'if (true || Number(asOf) >=']],
};

const DELETE_OR_SET = `for i, key in ipairs(KEYS) do
  if string.sub(ARGV[2 * i - 1], 1, 6) == 'delete' then redis.call('DEL', key)
  else redis.call('SET', key, ARGV[2 * i - 1], 'PX', ARGV[2 * i]) end
end`;

/** What is written is deleted there, and whoever reads it next puts in what was found. */
const deletingOnWrite: readonly Mutant[] = [
  withoutRule,
  {
    file: 'src/redis/stock-entries.js',
    replace: [
      [
        "defineCommand('replaceStocks', { lua })",
        `defineCommand('replaceStocks', { lua: \`${DELETE_OR_SET}\` })`,
      ],
    ],
  },
  {
    file: 'src/reads/stock-caches.js',
    replace: [
      [
        'committed(copies) {\n        this.read(copies);',
        "committed(copies) {\n        this.shared?.write(copies.map(({ stock, asOf }) => ({ stock: { ...stock, version: 'delete' }, asOf })));",
      ],
    ],
  },
];

const rows: readonly Row[] = [
  { without: 'versions in Redis: deleting on write', mutants: deletingOnWrite, fault: lateStandbys },
  { without: 'the rule: the newest version wins', mutants: [withoutRule], fault: lateStandbysAndFlushes },
  {
    without: 'the rule, where a process stops between read and fill',
    mutants: [withoutRule],
    imports: stoppingBeforeFills,
    fault: stopBeforeFillsWhileCrowded,
  },
  {
    without: 'beats between a change and a copy',
    mutants: [
      { file: 'src/reads/change-slots.js', replace: [['BEATS_TO_INCLUDE = 2', 'BEATS_TO_INCLUDE = 0']] },
    ],
    fault: lateStandbysWithoutRedis,
  },
  {
    without: 'the beat from which a process that starts knows what changed',
    mutants: [{ file: 'src/reads/change-slots.js', replace: [['this.#beats.fill(Number(beat));', '']] }],
    fault: startBesideOldDump,
  },
  {
    without: 'asking at each read how old it is: what was fresh stays so',
    mutants: [
      {
        file: 'src/reads/local-cache.js',
        replace: [
          ['performance.now() - this.#watermarkMs', 'Math.min(performance.now() - this.#watermarkMs, 900)'],
        ],
      },
    ],
    fault: cutFromWrites,
  },
  {
    without: 'the transactions that were running when the feed last looked',
    mutants: [
      {
        file: 'src/postgres/feed-statements.js',
        replace: [['WHERE xid = ANY ($2::xid8[]) AND', 'WHERE xid = ANY ($2::xid8[]) AND false AND']],
      },
    ],
    fault: killRedis,
  },
];

/** What a client finds wrong with a mutant while this happens. */
async function findingsOf({ mutants, imports = [], fault }: Row, seed: number): Promise<StalenessTotals> {
  const scene = await putUpScene(stage, { seed, imports: [...imports, ...mutants.map(importOf)] });
  await scene.client.untilReadings(READINGS_BEFORE, PATIENCE_MS);
  await fault(scene);
  await scene.client.untilMoreReadings(READINGS_AFTER, PATIENCE_MS);
  const totals = await scene.client.stop();
  await stage.clear();
  return totals;
}

describeNeeding(REDIS, 'found out within three runs: the service', () => {
  test.each(rows)(
    'without $without',
    async (row) => {
      for (const seed of SEEDS) {
        const { problemCount, readings, problems } = await findingsOf(row, seed);
        note(`run ${seed}: ${problemCount} of ${readings} readings: ${problems[0] ?? 'nothing'}`);
        if (problemCount > 0) return;
      }
      expect('nothing').toBe('found');
    },
    RUN_TIMEOUT_MS,
  );
});
