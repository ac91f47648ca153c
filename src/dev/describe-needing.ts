import { describe } from '@jest/globals';
import type { OptionalProgram } from './optional-programs.js';
import { needs } from './optional-tests.js';

/** `describe` for tests that need a program: where the machine has none, `npm test` tells how many it left out. */
export function describeNeeding(program: OptionalProgram, title: string, tests: () => void): void {
  const given = (process.env[program.givenIn] ?? '') !== '';
  (given ? describe : describe.skip)(`${title}${needs(program)}`, tests);
}
