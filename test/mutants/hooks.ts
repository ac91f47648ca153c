import type { LoadHook } from 'node:module';
import type { MutatedSource } from './loader.js';

let mutated: MutatedSource;

/** What Node calls with the data of register(). */
export function initialize(data: MutatedSource): void {
  mutated = data;
}

export const load: LoadHook = (url, context, nextLoad) =>
  url === mutated.url
    ? { format: 'module', source: mutated.source, shortCircuit: true }
    : nextLoad(url, context);
