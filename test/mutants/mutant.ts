import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { projectRoot } from '../../src/project-root.js';

/** A service with something missing: one compiled file in which texts are replaced, each of which must stand there once. */
export interface Mutant {
  /** From dist, as src/ledger/batch.js. */
  readonly file: string;
  readonly replace: readonly (readonly [text: string, by: string])[];
}

/** The module to load before the service (`--import`) so that it becomes the mutant. */
export function importOf(mutant: Mutant): string {
  const loader = pathToFileURL(join(projectRoot(), 'dist/test/mutants/loader.js'));
  loader.searchParams.set('mutant', JSON.stringify(mutant));
  return loader.href;
}
