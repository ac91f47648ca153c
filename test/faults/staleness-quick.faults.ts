import { afterEach, test } from '@jest/globals';
import { describeNeeding } from '../../src/dev/describe-needing.js';
import { REDIS } from '../../src/dev/optional-programs.js';
import { killRedis } from './cache-faults.js';
import { Stage } from './stage.js';
import { expectTrueAges } from './staleness-scene.js';

/** A short one of the staleness runs, for the gate; what decides is staleness.faults.ts and staleness-redis.faults.ts. */

const stage = new Stage();

afterEach(() => stage.clear());

describeNeeding(REDIS, 'every answer is as new as it says', () => {
  test('in a short run, while Redis is killed and comes back empty', async () => {
    await expectTrueAges(stage, {
      title: 'a short run, while Redis is killed and comes back empty',
      ...{ seed: 31, readings: 20_000, fault: killRedis },
    });
  }, 180_000);
});
