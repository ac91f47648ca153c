import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { Session } from 'node:inspector/promises';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { CoverageReport, type CoverageResults, type V8CoverageEntry } from 'monocart-coverage-reports';
import { projectRoot } from '../project-root.js';
import { compiledFileOf } from './compiled-code-transform.js';
import { complain, say } from './terminal.js';

const LEAST_PERCENT = { lines: 95, branches: 90 } as const;

/** Where the HTML report goes. */
const REPORT_FOLDER = 'coverage';

/**
 * Which lines and branches of src ran, in three kinds of processes: inside jest, in the compiled programs that tests
 * start, and in this one. All of them run the very same compiled code, so that V8's counts of it can be added up.
 */
export class CoverageRun {
  private readonly session = new Session();
  private readonly started: Promise<void>;

  /** @param folder takes V8's data, a file for each process. */
  constructor(private readonly folder: string) {
    this.session.connect();
    this.started = this.watchThisProcess();
  }

  private async watchThisProcess(): Promise<void> {
    await mkdir(this.folder, { recursive: true });
    await this.session.post('Profiler.enable');
    await this.session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: true });
  }

  /**
   * Node writes the coverage of every child process into this folder when it ends by itself; the reporter inside jest
   * that of the test files.
   */
  environment(): NodeJS.ProcessEnv {
    return { NODE_V8_COVERAGE: this.folder };
  }

  /** Prints the table and writes the HTML report. @returns whether enough lines and branches ran. */
  async report(): Promise<boolean> {
    await this.started;
    const { result } = await this.session.post('Profiler.takePreciseCoverage');
    this.session.disconnect();
    await writeFile(join(this.folder, 'run-tests.json'), JSON.stringify({ result }));
    const report = new CoverageReport({
      name: 'Coverage of src',
      logging: 'error',
      baseDir: projectRoot(),
      outputDir: join(projectRoot(), REPORT_FOLDER),
      reports: [
        ['v8', { metrics: ['lines', 'branches'] }],
        ['console-details', { metrics: ['lines', 'branches'] }],
      ],
      entryFilter: ({ url }) => isProductCode(url),
      all: { dir: join(projectRoot(), 'src'), filter: isProductSource, transformer: compile },
    });
    await report.addFromDir(this.folder);
    const results = await report.generate();
    if (results === undefined) throw new Error('There is no coverage data.');
    say(`The report: ${join(REPORT_FOLDER, 'index.html')}`);
    return isEnough(results);
  }
}

/** Tests; and what counts, which does most of its work while nothing is counted. */
const NOT_COUNTED = /\.(test|faults)\.js$|\/dev\/(coverage|coverage-reporter|compiled-code-transform)\.js$/;

/** Takes the compiled files of src that are neither tests nor generated. */
function isProductCode(url: string): boolean {
  const folder = `${pathToFileURL(join(projectRoot(), 'dist', 'src')).href}/`;
  return url.startsWith(folder) && !url.startsWith(`${folder}gen/`) && !NOT_COUNTED.test(url);
}

const isProductSource = (path: string): boolean =>
  path.endsWith('.ts') && isProductCode(pathToFileURL(compiledFileOf(path)).href);

/** Gives a source file that no process has loaded as the build has made it. */
async function compile(entry: V8CoverageEntry): Promise<void> {
  const compiled = compiledFileOf(fileURLToPath(entry.url));
  const map = JSON.parse(await readFile(`${compiled}.map`, 'utf8'));
  entry.sourceMap = { ...map, sourcesContent: [entry.source] };
  entry.source = await readFile(compiled, 'utf8');
  entry.url = pathToFileURL(compiled).href;
}

function isEnough({ summary }: CoverageResults): boolean {
  const short = (['lines', 'branches'] as const).filter(
    (what) => Number(summary[what].pct) < LEAST_PERCENT[what],
  );
  for (const what of short) complain(`Coverage is below ${LEAST_PERCENT[what]} % of ${what}.`);
  return short.length === 0;
}
