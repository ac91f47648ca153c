import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { compiledFileOf } from './compiled-code-transform.js';

/** As much of jest's result of a test file as is needed here. */
interface TestResult {
  readonly v8Coverage?: readonly { readonly result: { readonly url: string } }[];
}

/** A reporter for jest: keeps V8's coverage of each test file, as that of the compiled files whose code ran. */
export default class CoverageReporter {
  #files = 0;

  onTestResult(_test: unknown, { v8Coverage = [] }: TestResult): void {
    const result = v8Coverage.map(({ result }) => ({
      ...result,
      url: pathToFileURL(compiledFileOf(result.url)).href,
    }));
    const name = `jest-${++this.#files}.json`;
    writeFileSync(join(process.env.NODE_V8_COVERAGE!, name), JSON.stringify({ result }));
  }
}
