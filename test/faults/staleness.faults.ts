import { afterEach, test } from '@jest/globals';
import { describeNeeding } from '../../src/dev/describe-needing.js';
import { REDIS } from '../../src/dev/optional-programs.js';
import {
  cutFromWrites,
  holdTransaction,
  killStandbys,
  lateStandbys,
  loseThePrimary,
  pauseReplay,
} from './cache-faults.js';
import { Stage } from './stage.js';
import { expectTrueAges, type RunOptions } from './staleness-scene.js';

const RUN_TIMEOUT_MS = 900_000;

const stage = new Stage();

afterEach(() => stage.clear());

const runs: readonly RunOptions[] = [
  { title: 'without a fault', seed: 1, fault: async () => undefined },
  { title: 'while the standbys replay nothing for 15 s', seed: 2, fault: pauseReplay },
  { title: 'while both standbys are dead', seed: 3, fault: killStandbys, strongMayFail: true },
  { title: 'while a transaction stays open for 10 s', seed: 4, fault: holdTransaction },
  { title: 'while the standbys show everything 250 ms late', seed: 6, fault: lateStandbys },
  { title: 'while one process is cut off from the primary and from Redis', seed: 7, fault: cutFromWrites },
  { title: 'over the loss of the primary', seed: 5, fault: loseThePrimary },
];

describeNeeding(REDIS, 'every answer is as new as it says', () => {
  test.each(runs)('$title', (run) => expectTrueAges(stage, run), RUN_TIMEOUT_MS);
});
