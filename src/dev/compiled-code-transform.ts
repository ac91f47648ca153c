import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { projectRoot } from '../project-root.js';

/** What the build has made of a source file. */
export function compiledFileOf(sourcePath: string): string {
  return join(projectRoot(), 'dist', relative(projectRoot(), sourcePath)).replace(/\.ts$/, '.js');
}

const codeOf = (sourcePath: string): string => readFileSync(compiledFileOf(sourcePath), 'utf8');

/** A transform for jest: tests run the compiled code that every other process runs, where all of it is to be added up. */
export default {
  process: (_source: string, sourcePath: string) => ({
    code: codeOf(sourcePath),
    map: readFileSync(`${compiledFileOf(sourcePath)}.map`, 'utf8'),
  }),
  getCacheKey: (_source: string, sourcePath: string) =>
    createHash('sha256').update(codeOf(sourcePath)).digest('hex').slice(0, 32),
};
