import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { projectRoot } from '../../src/project-root.js';
import { importOf } from '../mutants/mutant.js';
import { until } from '../until.js';
import { whileCrowded } from './crowded-redis.js';
import type { Scene } from './staleness-scene.js';

/** Processes of the service that stand still for a while, and go on with what they knew before. */

const STOPS = 30;
const SHORTEST_STOP_MS = 100;
const LONGEST_STOP_MS = 1_000;
/** Time enough for others to write what was read, and for Redis to lose that. */
const LONGEST_STOP_BEFORE_FILL_MS = 2_500;
const BETWEEN_MS = 50;
const PATIENCE_MS = 20_000;

const READ = 'const { copies, ...freshness } = await reading;';

/** Modules with which a service can be stopped between a read of the database and its way into the caches. */
export const stoppingBeforeFills: readonly string[] = [
  pathToFileURL(join(projectRoot(), 'dist/test/staleness/fill-stop.js')).href,
  importOf({
    file: 'src/reads/read-path.js',
    replace: [[READ, `${READ} globalThis.stopBeforeFill();`]],
  }),
];

/** Each in turn, by the signal that makes it stop. */
async function stopInTurn(
  { services }: Scene,
  signal: 'SIGSTOP' | 'SIGUSR2',
  longestMs: number,
): Promise<void> {
  for (let stop = 0; stop < STOPS; stop++) {
    const { pid } = services[stop % services.length]!;
    process.kill(pid, signal);
    await until(() => isStopped(pid), `INVALID: process ${pid} does not stop`, PATIENCE_MS);
    await pause(SHORTEST_STOP_MS + ((stop * 370) % (longestMs - SHORTEST_STOP_MS)));
    process.kill(pid, 'SIGCONT');
    await pause(BETWEEN_MS);
  }
}

/** Wherever it is just then. */
export const stopAtAnyMoment = (scene: Scene): Promise<void> => stopInTurn(scene, 'SIGSTOP', LONGEST_STOP_MS);

/** What they read is put into the caches when others have long written something newer. */
export const stopBeforeFills = (scene: Scene): Promise<void> =>
  stopInTurn(scene, 'SIGUSR2', LONGEST_STOP_BEFORE_FILL_MS);

/** What is newer may be gone from Redis by then. */
export const stopBeforeFillsWhileCrowded = (scene: Scene): Promise<void> =>
  whileCrowded(scene, 'allkeys-random', () => stopBeforeFills(scene));

/** Whether SIGSTOP has come to this process. */
export async function isStopped(pid: number): Promise<boolean> {
  const { stdout } = await promisify(execFile)('ps', ['-o', 'state=', '-p', String(pid)]);
  return stdout.startsWith('T');
}
