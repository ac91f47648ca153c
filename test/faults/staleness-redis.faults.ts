import { afterEach, test } from '@jest/globals';
import { describeNeeding } from '../../src/dev/describe-needing.js';
import { REDIS } from '../../src/dev/optional-programs.js';
import {
  cutOneOff,
  evict,
  fillUp,
  flush,
  killRedis,
  lateStandbysAndFlushes,
  lateStandbysWithoutRedis,
  restoreOldDump,
  startBesideOldDump,
  stopRedis,
} from './cache-faults.js';
import { Stage } from './stage.js';
import { expectTrueAges, type RunOptions } from './staleness-scene.js';
import {
  stopAtAnyMoment,
  stopBeforeFills,
  stopBeforeFillsWhileCrowded,
  stoppingBeforeFills,
} from './stopped-processes.js';

const RUN_TIMEOUT_MS = 900_000;

const stage = new Stage();

afterEach(() => stage.clear());

const runs: readonly RunOptions[] = [
  { title: 'while Redis is killed and comes back empty', seed: 11, fault: killRedis },
  { title: 'while Redis is stopped for 5 s', seed: 12, fault: stopRedis },
  { title: 'from a Redis that was restored from a dump 60 s old', seed: 13, fault: restoreOldDump },
  { title: 'from a Redis that loses all of its keys again and again', seed: 14, fault: flush },
  { title: 'from a Redis of 4 MB that evicts all the time', seed: 15, fault: evict },
  { title: 'from a Redis of 4 MB that takes no more', seed: 16, fault: fillUp },
  { title: 'while one process is cut off from Redis, or gets no answer', seed: 17, fault: cutOneOff },
  { title: 'while processes are stopped at any moment', seed: 18, fault: stopAtAnyMoment },
  {
    title: 'while processes are stopped between a read of the database and its fill',
    ...{ seed: 23, imports: stoppingBeforeFills, fault: stopBeforeFills },
  },
  {
    title: 'while processes are stopped between read and fill, from a Redis of 4 MB that evicts',
    ...{ seed: 19, imports: stoppingBeforeFills, fault: stopBeforeFillsWhileCrowded },
  },
  {
    title: 'from a Redis that loses its keys, beside late standbys',
    seed: 20,
    fault: lateStandbysAndFlushes,
  },
  { title: 'without Redis, beside late standbys', seed: 22, fault: lateStandbysWithoutRedis },
  {
    title: 'while a process starts beside a Redis that was restored from an old dump',
    ...{ seed: 21, fault: startBesideOldDump },
    // Whoever calls the process that is down.
    failedShare: 0.05,
  },
];

describeNeeding(REDIS, 'every answer is as new as it says', () => {
  test.each(runs)('$title', (run) => expectTrueAges(stage, run), RUN_TIMEOUT_MS);
});
