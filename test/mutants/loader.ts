import { readFileSync } from 'node:fs';
import { register } from 'node:module';
import type { Mutant } from './mutant.js';

/**
 * Loaded before a service (`--import`): makes it the mutant that the URL of this module names. Where a text does not stand
 * in the file exactly once, the process ends before the service begins: a mutant that changes nothing would prove nothing.
 */

/** One module and the source that it shall have. */
export interface MutatedSource {
  readonly url: string;
  readonly source: string;
}

const { file, replace }: Mutant = JSON.parse(new URL(import.meta.url).searchParams.get('mutant') ?? '');
const url = new URL(`../../${file}`, import.meta.url);
let source = readFileSync(url, 'utf8');
for (const [text, by] of replace) {
  const [before, after, ...more] = source.split(text);
  if (after === undefined || more.length > 0)
    throw new Error(`A mutant needs this text exactly once in ${file}: ${text}`);
  source = `${before}${by}${after}`;
}
const data: MutatedSource = { url: url.href, source };
register('./hooks.js', import.meta.url, { data });
