import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, readdirSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { poll } from '../src/dev/poll.js';
import { freePort, isPortFree } from '../src/dev/ports.js';
import { isAlive } from '../src/dev/process-registry.js';
import { projectRoot } from '../src/project-root.js';

const READY_TIMEOUT_MS = 180_000;

/** Where one Onhand lives during a test: a data folder and ports of its own. */
export interface Place {
  readonly dataDir: string;
  readonly ports: Readonly<Record<PortName, number>>;
}

type PortName = 'grpc' | 'http' | 'metrics' | 'primary' | 'replica' | 'redis';

/** A new, empty place. */
export async function newPlace(): Promise<Place> {
  const dataDir = mkdtempSync(join(tmpdir(), 'onhand-start-'));
  chmodSync(dataDir, 0o755);
  const [grpc, http, metrics, redis] = [
    await freePort(),
    await freePort(),
    await freePort(),
    await freePort(),
  ];
  let primary = await freePort();
  while (!(await isPortFree('127.0.0.1', primary + 1))) primary = await freePort();
  return { dataDir, ports: { grpc, http, metrics, redis, primary, replica: primary + 1 } };
}

/** What `npm start` runs, as a process. */
export class StartedOnhand {
  readonly output: string[] = [];
  private readonly child: ChildProcess;
  private readonly ended: Promise<unknown>;

  constructor(
    readonly place: Place,
    args: readonly string[],
    environment: Readonly<Record<string, string>> = {},
  ) {
    const { ports, dataDir } = place;
    const inherited = ['PATH', 'HOME', 'NODE_V8_COVERAGE'].flatMap((name) => {
      const value = process.env[name];
      return value === undefined ? [] : [[name, value]];
    });
    this.child = spawn(process.execPath, [join(projectRoot(), 'dist/src/dev/start.js'), ...args], {
      env: {
        ...Object.fromEntries(inherited),
        ONHAND_DATA_DIR: dataDir,
        ONHAND_GRPC_PORT: String(ports.grpc),
        ONHAND_HTTP_PORT: String(ports.http),
        ONHAND_METRICS_PORT: String(ports.metrics),
        ONHAND_DEV_PG_PORT: String(ports.primary),
        ONHAND_DEV_REDIS_PORT: String(ports.redis),
        ...environment,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.ended = once(this.child, 'close');
    for (const stream of [this.child.stdout, this.child.stderr]) {
      stream?.on('data', (data: Buffer) => this.output.push(data.toString()));
    }
  }

  get pid(): number {
    return this.child.pid ?? 0;
  }

  text(): string {
    return this.output.join('');
  }

  /** Waits for a text in the output; fails with the whole output where the process ends or the time is over before. */
  async says(text: string | RegExp): Promise<void> {
    const found = await poll(() => {
      if (this.text().search(text) >= 0) return true;
      return this.child.exitCode === null && this.child.signalCode === null ? undefined : false;
    }, READY_TIMEOUT_MS);
    if (found !== true) throw new Error(`npm start did not say ${text}:\n${this.text()}`);
  }

  /** Sends a signal and waits for the end. @returns the exit code, or null where the signal itself ended it. */
  async end(signal: NodeJS.Signals): Promise<number | null> {
    this.child.kill(signal);
    return await this.exit();
  }

  async exit(): Promise<number | null> {
    await this.ended;
    return this.child.exitCode;
  }

  /** The process ids of everything that it has started and registered, by name. */
  processes(): Record<string, number> {
    return registeredProcesses(this.place);
  }

  async post(path: string, body: object): Promise<{ status: number; body: Record<string, unknown> }> {
    const response = await fetch(`http://127.0.0.1:${this.place.ports.http}${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
    return { status: response.status, body: (await response.json()) as Record<string, unknown> };
  }
}

/** What is registered in the data folder of a place. */
export function registeredProcesses({ dataDir }: Place): Record<string, number> {
  const folder = join(dataDir, 'run');
  return Object.fromEntries(
    readdirSync(folder)
      .filter((file) => file.endsWith('.json'))
      .sort()
      .map((file) => [file.replace('.json', ''), JSON.parse(readFileSync(join(folder, file), 'utf8')).pid]),
  );
}

/** Which of these ports somebody still listens on. */
export async function portsInUse({ ports }: Place): Promise<string[]> {
  const inUse: string[] = [];
  for (const [name, port] of Object.entries(ports)) {
    if (!(await isPortFree('127.0.0.1', port))) inUse.push(name);
  }
  return inUse;
}

/** Which of these processes still live. */
export function living(processes: Readonly<Record<string, number>>): string[] {
  return Object.entries(processes).flatMap(([name, pid]) => (isAlive(pid) ? [name] : []));
}
