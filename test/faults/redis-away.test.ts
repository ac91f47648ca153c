import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from '@jest/globals';
import { describeNeeding } from '../../src/dev/describe-needing.js';
import { REDIS } from '../../src/dev/optional-programs.js';
import { projectRoot } from '../../src/project-root.js';
import { importOf, type Mutant } from '../mutants/mutant.js';
import type { RedisAway } from './redis-away.js';

const AT_ONCE_MS = 10;
const CLIENT = 'src/redis/client.js';

async function away(mutant?: Mutant): Promise<RedisAway> {
  const imports = mutant === undefined ? [] : ['--import', importOf(mutant)];
  const program = join(projectRoot(), 'dist/test/faults/redis-away.js');
  const url = process.env[REDIS.givenIn] ?? '';
  const { stdout } = await promisify(execFile)(process.execPath, [...imports, program, url], { env: {} });
  return JSON.parse(stdout) as RedisAway;
}

describeNeeding(REDIS, 'while Redis cannot be reached', () => {
  test('a command fails at once and is not done later; nor is one that was on its way', async () => {
    const { failedAfterMs, done } = await away();
    expect(failedAfterMs).toBeLessThan(AT_ONCE_MS);
    expect(done).toEqual({ whileAway: 0, asItWent: 0 });
  });

  test('a connection that comes back and is not answered would end the process if it subscribed again by itself', async () => {
    const mutant: Mutant = { file: CLIENT, replace: [['autoResubscribe: false', 'autoResubscribe: true']] };
    await expect(away(mutant)).rejects.toThrow('Command timed out');
  });

  test('with a queue for later it would wait', async () => {
    const { failedAfterMs } = await away({
      file: CLIENT,
      replace: [['enableOfflineQueue: false,\n    autoResend', 'enableOfflineQueue: true,\n    autoResend']],
    });
    expect(failedAfterMs).toBeGreaterThan(AT_ONCE_MS);
  });

  test('with sending again, what was on its way would be done late', async () => {
    const { done } = await away({
      file: CLIENT,
      replace: [['autoResendUnfulfilledCommands: false', 'autoResendUnfulfilledCommands: true']],
    });
    expect(done.asItWent).toBe(1);
  });
});
