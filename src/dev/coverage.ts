import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { Session } from 'node:inspector/promises';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { projectRoot } from '../project-root.js';
import { CompiledFile, type ScriptCoverage } from './line-coverage.js';
import { complain, say } from './terminal.js';

const leastPercent = 90;

interface FileReport {
  readonly file: string;
  readonly lines: number;
  readonly missed: readonly number[];
}

/**
 * Which lines of src ran, in three kinds of processes: inside jest, in the compiled programs that tests start, and in
 * this one. A line counts once, wherever it ran.
 */
export class CoverageRun {
  private readonly session = new Session();
  private readonly started: Promise<void>;

  constructor(private readonly folder: string) {
    this.session.connect();
    this.started = this.watchThisProcess();
  }

  private async watchThisProcess(): Promise<void> {
    await this.session.post('Profiler.enable');
    await this.session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: true });
  }

  jestArguments(): string[] {
    return ['--coverage', `--coverageDirectory=${join(this.folder, 'jest')}`];
  }

  /** Node writes the coverage of every child process into this folder when it ends by itself. */
  environment(): NodeJS.ProcessEnv {
    return { NODE_V8_COVERAGE: join(this.folder, 'processes') };
  }

  /** Prints the table. @returns whether enough lines ran. */
  async report(): Promise<boolean> {
    const compiled = compiledFiles();
    const ran = new Map([...compiled.keys()].map((file) => [file, new Set<number>()]));
    this.addJest(ran);
    for (const script of [...this.scriptsOfChildren(), ...(await this.scriptsOfThisProcess())]) {
      const file = sourceOf(script.url);
      const into = ran.get(file);
      for (const line of compiled.get(file)?.linesThatRan(script) ?? []) into?.add(line);
    }
    const reports = [...compiled].map(([file, code]) =>
      reportOf(file, code.codeLines(), ran.get(file) ?? new Set()),
    );
    return printTable(reports);
  }

  /** jest's own report: statements are whole lines of the source, with the number of times that they ran. */
  private addJest(ran: Map<string, Set<number>>): void {
    const path = join(this.folder, 'jest', 'coverage-final.json');
    if (!existsSync(path)) return;
    interface JestFile {
      path: string;
      statementMap: Record<string, { start: { line: number }; end: { line: number } }>;
      s: Record<string, number>;
    }
    for (const file of Object.values(JSON.parse(readFileSync(path, 'utf8')) as Record<string, JestFile>)) {
      const lines = ran.get(relative(projectRoot(), file.path));
      for (const [id, { start, end }] of Object.entries(file.statementMap)) {
        if ((file.s[id] ?? 0) === 0) continue;
        for (let line = start.line; line <= end.line; line += 1) lines?.add(line);
      }
    }
  }

  private *scriptsOfChildren(): Generator<ScriptCoverage> {
    const folder = join(this.folder, 'processes');
    if (!existsSync(folder)) return;
    for (const name of readdirSync(folder)) {
      const { result } = JSON.parse(readFileSync(join(folder, name), 'utf8')) as { result: ScriptCoverage[] };
      yield* result;
    }
  }

  private async scriptsOfThisProcess(): Promise<ScriptCoverage[]> {
    await this.started;
    const { result } = await this.session.post('Profiler.takePreciseCoverage');
    this.session.disconnect();
    return result;
  }
}

/** The source (as src/x.ts) of a compiled program's URL; of anything else a text that no source has. */
function sourceOf(url: string): string {
  if (!url.startsWith('file://')) return url;
  return relative(join(projectRoot(), 'dist'), fileURLToPath(url)).replace(/\.js$/, '.ts');
}

function compiledFiles(): Map<string, CompiledFile> {
  const dist = join(projectRoot(), 'dist');
  const paths = readdirSync(join(dist, 'src'), { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.js') && !path.startsWith('gen') && !/\.(test|faults)\.js$/.test(path))
    .sort();
  return new Map(
    paths.map((path) => [
      join('src', path).replace(/\.js$/, '.ts'),
      new CompiledFile(join(dist, 'src', path)),
    ]),
  );
}

function reportOf(file: string, codeLines: Set<number>, ran: Set<number>): FileReport {
  const missed = [...codeLines].filter((line) => !ran.has(line)).sort((a, b) => a - b);
  return { file, lines: codeLines.size, missed };
}

function printTable(reports: readonly FileReport[]): boolean {
  const withCode = reports.filter((report) => report.lines > 0);
  const width = Math.max(...withCode.map((report) => report.file.length));
  const row = (name: string, lines: number, missed: number, which: string) =>
    say(
      `${name.padEnd(width)}  ${String(lines).padStart(5)}  ${percent(lines, missed).toFixed(1).padStart(5)} %  ${which}`,
    );
  say(`${'file'.padEnd(width)}  lines  ran      missed lines`);
  for (const { file, lines, missed } of withCode) row(file, lines, missed.length, asRanges(missed));
  const lines = withCode.reduce((sum, report) => sum + report.lines, 0);
  const missed = withCode.reduce((sum, report) => sum + report.missed.length, 0);
  row('total', lines, missed, '');
  if (percent(lines, missed) >= leastPercent) return true;
  complain(`Coverage is below ${leastPercent} % of lines.`);
  return false;
}

function percent(lines: number, missed: number): number {
  return lines === 0 ? 100 : (100 * (lines - missed)) / lines;
}

/** 3, 4, 5, 9 as "3-5 9". */
function asRanges(lines: readonly number[]): string {
  const ranges: [number, number][] = [];
  for (const line of lines) {
    const last = ranges.at(-1);
    if (last !== undefined && line === last[1] + 1) last[1] = line;
    else ranges.push([line, line]);
  }
  return ranges.map(([from, to]) => (from === to ? `${from}` : `${from}-${to}`)).join(' ');
}
