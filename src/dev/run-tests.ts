import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { constants } from 'node:os';
import { join } from 'node:path';
import { migrate } from '../postgres/migrate.js';
import { projectRoot } from '../project-root.js';
import { CoverageRun } from './coverage.js';
import { redisIsDown } from './default-redis.js';
import { whenNpmIsGone } from './npm-parent.js';
import {
  absenceOf,
  CHROMIUM,
  CURL,
  DISTRIBUTION_POSTGRES,
  findOrInstall,
  type OptionalProgram,
  PGBOUNCER,
  REDIS,
} from './optional-programs.js';
import { countLeftOut, type JestReport } from './optional-tests.js';
import { withConnection } from './postgres-session.js';
import { bold, complain, messageOf, say } from './terminal.js';
import { templateDatabase } from './test-database.js';
import { startThrowawayServers, type ThrowawayServers } from './throwaway-servers.js';

const usage = `Usage: npm test [-- [--tier=faults] [--redis=down] [--coverage] [jest options, file patterns]]`;
const faultsTimeoutMs = 15 * 60_000;

interface Wanted {
  readonly faults: boolean;
  /** Services of tests have a Redis that does not answer; what needs one that does is left out. */
  readonly redisDown: boolean;
  readonly coverage: boolean;
  readonly jestArguments: readonly string[];
}

interface Outcome {
  readonly passed: number;
  readonly failed: number;
  /** Tests that did not run for want of this program. */
  readonly leftOut: (program: OptionalProgram) => number;
}

function parse(args: readonly string[]): Wanted {
  const own = new Set(['--tier=faults', '--tier=default', '--redis=down', '--coverage']);
  const unknown = args.find((argument) => /^--(tier|redis)/.test(argument) && !own.has(argument));
  if (unknown !== undefined)
    throw new Error(`${unknown}: there are --tier=default, --tier=faults and --redis=down.\n${usage}`);
  return {
    faults: args.includes('--tier=faults'),
    redisDown: args.includes('--redis=down'),
    coverage: args.includes('--coverage'),
    jestArguments: args.filter((argument) => !own.has(argument)),
  };
}

async function main(): Promise<number> {
  const wanted = parse(process.argv.slice(2));
  const programs = findOptionalPrograms(wanted);
  const interruption = new Interruption();
  const servers = await startThrowawayServers({ redisProgram: programs.get(REDIS) });
  try {
    await makeTemplate(servers);
    interruption.refuseToGoOn();
    return await runTests(wanted, { servers, programs, interruption });
  } finally {
    await servers.stop();
  }
}

type FoundPrograms = ReadonlyMap<OptionalProgram, string | undefined>;

function findOptionalPrograms({ redisDown }: Wanted): FoundPrograms {
  const programs = [CHROMIUM, CURL, DISTRIBUTION_POSTGRES, PGBOUNCER, ...(redisDown ? [] : [REDIS])];
  const found = new Map(programs.map((program) => [program, findOrInstall(program)]));
  for (const [program, path] of found) {
    if (path !== undefined || process.env[program.requiredBy] !== '1') continue;
    throw new Error(`${program.requiredBy}=1, and ${absenceOf(program)}: install one.`);
  }
  return found;
}

async function makeTemplate({ primary }: ThrowawayServers): Promise<void> {
  const run = (statement: string) =>
    withConnection(primary.url('postgres'), (client) => client.query(statement));
  await run(`CREATE DATABASE ${templateDatabase}`);
  await migrate(primary.url(templateDatabase));
  // Nobody may connect, so that nobody keeps the copies waiting.
  await run(`ALTER DATABASE ${templateDatabase} WITH IS_TEMPLATE true ALLOW_CONNECTIONS false`);
}

async function runTests(
  wanted: Wanted,
  { servers, programs, interruption }: Pick<JestRun, 'servers' | 'programs' | 'interruption'>,
): Promise<number> {
  const results = join(servers.folder, 'results.json');
  const coverage = wanted.coverage ? new CoverageRun(join(servers.folder, 'coverage')) : undefined;
  const code = await runJest(wanted, { servers, programs, results, coverage, interruption });
  if (interruption.signal !== undefined) {
    complain(`Interrupted by ${interruption.signal}: there is no result.`);
    return 128 + constants.signals[interruption.signal];
  }
  const outcome = readOutcome(results, code);
  const checked = coverage === undefined || (await runCheck(coverage, interruption));
  for (const [program, path] of programs) {
    const count = outcome.leftOut(program);
    if (path === undefined && count > 0)
      say(bold(`${count} ${program.title} tests were left out: ${absenceOf(program)}.`));
  }
  if (wanted.redisDown)
    say(bold(`Redis was down for all services; ${outcome.leftOut(REDIS)} Redis tests were left out.`));
  const enough = coverage === undefined || (await coverage.report());
  say(`${outcome.passed} passed, ${outcome.failed} failed`);
  return outcome.failed > 0 || code !== 0 || !checked || !enough ? 1 : 0;
}

interface JestRun {
  readonly servers: ThrowawayServers;
  readonly programs: FoundPrograms;
  readonly results: string;
  readonly coverage: CoverageRun | undefined;
  readonly interruption: Interruption;
}

async function runJest(
  wanted: Wanted,
  { servers, programs, results, coverage, interruption }: JestRun,
): Promise<number> {
  // One after the other: each has servers of its own, and bounds on time.
  const tier = wanted.faults
    ? ['--testMatch=**/*.faults.ts', `--testTimeout=${faultsTimeoutMs}`, '--maxWorkers=1']
    : [];
  const jest = spawn(
    process.execPath,
    [
      ...['--experimental-vm-modules', '--no-warnings=ExperimentalWarning', 'node_modules/jest/bin/jest.js'],
      ...[`--config=${coverage ? 'jest.coverage' : 'jest'}.config.mjs`, '--json', `--outputFile=${results}`],
      ...tier,
      ...wanted.jestArguments,
    ],
    {
      cwd: projectRoot(),
      // jest announces the result file on stdout; its report goes to stderr.
      stdio: ['ignore', 'ignore', 'inherit'],
      env: {
        ...process.env,
        ONHAND_TEST_PRIMARY_URL: servers.primary.url('postgres'),
        ONHAND_TEST_REPLICA_URL: servers.replica.url('postgres'),
        [REDIS.givenIn]: servers.redis?.url ?? '',
        [CHROMIUM.givenIn]: programs.get(CHROMIUM) ?? '',
        [CURL.givenIn]: programs.get(CURL) ?? '',
        [DISTRIBUTION_POSTGRES.givenIn]: programs.get(DISTRIBUTION_POSTGRES) ?? '',
        [PGBOUNCER.givenIn]: programs.get(PGBOUNCER) ?? '',
        ...(wanted.redisDown ? redisIsDown : {}),
        ...coverage?.environment(),
      },
    },
  );
  return await interruption.passOnTo(jest);
}

/** `npm run check` is part of what decides whether a change is good, so what it runs counts, too. @returns whether it passed. */
async function runCheck(coverage: CoverageRun, interruption: Interruption): Promise<boolean> {
  const check = spawn(process.execPath, [join(projectRoot(), 'dist', 'src', 'dev', 'check.js')], {
    cwd: projectRoot(),
    stdio: ['ignore', 'inherit', 'inherit'],
    env: { ...process.env, ...coverage.environment() },
  });
  return (await interruption.passOnTo(check)) === 0;
}

/** Everything that jest says in its result file. A test file that could not run counts as one failed test. */
function readOutcome(results: string, code: number): Outcome {
  try {
    const report: JestReport & Record<string, unknown> = JSON.parse(readFileSync(results, 'utf8'));
    const count = (name: string) => Number(report[name] ?? 0);
    const failed = count('numFailedTests') + count('numRuntimeErrorTestSuites');
    const leftOut = (program: OptionalProgram) => countLeftOut(report, program);
    return { passed: count('numPassedTests'), failed, leftOut };
  } catch {
    return { passed: 0, failed: code === 0 ? 0 : 1, leftOut: () => 0 };
  }
}

/** Ctrl-C and friends: jest (or the check) ends first, then the servers stop as at the end of every run. */
class Interruption {
  signal: NodeJS.Signals | undefined;
  private child: ChildProcess | undefined;

  constructor() {
    for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(name, () => this.interrupt(name));
    whenNpmIsGone(() => this.interrupt('SIGTERM'));
    // A terminal that was closed takes no more lines; that must not keep the servers from being stopped.
    for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined);
  }

  private interrupt(signal: NodeJS.Signals): void {
    this.signal ??= signal;
    this.child?.kill('SIGTERM');
  }

  refuseToGoOn(): void {
    if (this.signal !== undefined) throw new Error('Interrupted.');
  }

  passOnTo(child: ChildProcess): Promise<number> {
    this.child = child;
    return new Promise((resolve, reject) => {
      child.once('error', reject);
      child.once('exit', (code) => resolve(code ?? 1));
    });
  }
}

try {
  process.exitCode = await main();
} catch (error) {
  complain(messageOf(error));
  process.exitCode = 1;
}
