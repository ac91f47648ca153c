import type { LoadHook } from 'node:module';
import type { MutatedSource } from './loader.js';

const sources = new Map<string, string>();

/** What Node calls with the data of each register(). */
export function initialize({ url, source }: MutatedSource): void {
  sources.set(url, source);
}

export const load: LoadHook = (url, context, nextLoad) => {
  const source = sources.get(url);
  return source === undefined ? nextLoad(url, context) : { format: 'module', source, shortCircuit: true };
};
