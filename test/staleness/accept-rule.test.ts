import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, test } from '@jest/globals';
import { projectRoot } from '../../src/project-root.js';
import { importOf, type Mutant } from '../mutants/mutant.js';
import { tryHistories } from './cache-histories.js';

const SEED = 1_950;
const SLOTS = 'src/reads/change-slots.js';

test('no answer from a cache lacks a change that its process had been shown', () => {
  const { stale, served } = tryHistories(SEED);
  expect(stale).toBeUndefined();
  expect(served).toBeGreaterThan(3_000);
});

/** The rule with something missing, and what it is that is missing. */
const MUTANTS: readonly { readonly without: string; readonly mutant: Mutant }[] = [
  {
    without: 'any beats between the change and the copy',
    mutant: { file: SLOTS, replace: [['BEATS_TO_INCLUDE = 2', 'BEATS_TO_INCLUDE = 0']] },
  },
  {
    without: 'the second beat, though replicas show commits in another order',
    mutant: { file: SLOTS, replace: [['BEATS_TO_INCLUDE = 2', 'BEATS_TO_INCLUDE = 1']] },
  },
  {
    without: 'it: whatever is newer than what is there is taken',
    mutant: { file: SLOTS, replace: [['if (Number(asOf) >=', 'if (true || Number(asOf) >=']] },
  },
  {
    without: 'the first beat: a process that starts takes what it finds',
    mutant: { file: SLOTS, replace: [['this.#beats.fill(Number(beat));', '']] },
  },
  {
    without: "a slot's stock: the version of one is taken for another's",
    mutant: { file: SLOTS, replace: [['this.#names[slot] === name && ', '']] },
  },
];

describe('an answer from a cache lacks a change', () => {
  test.each(MUTANTS)('without $without', async ({ mutant }) => {
    const program = join(projectRoot(), 'dist/test/staleness/histories-program.js');
    const run = ['--import', importOf(mutant), program, String(SEED)];
    // Coverage is of the code as it is.
    const { stdout } = await promisify(execFile)(process.execPath, run, { env: {} });
    expect(JSON.parse(stdout)).toHaveProperty('stale', expect.stringMatching(/^version/));
  });
});
