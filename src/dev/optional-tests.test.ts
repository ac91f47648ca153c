import { expect, test } from '@jest/globals';
import { CHROMIUM, findProgram, REDIS } from './optional-programs.js';
import { countLeftOut, needs } from './optional-tests.js';

const result = (status: string, ...ancestorTitles: string[]) => ({ status, ancestorTitles });

test('what was left out is counted by the program that it needs', () => {
  const browser = `the page${needs(CHROMIUM)}`;
  const report = {
    testResults: [
      { assertionResults: [result('pending', browser), result('pending', browser, 'inner')] },
      { assertionResults: [result('passed', browser), result('pending', 'the page'), result('pending')] },
    ],
  };
  expect(countLeftOut(report, CHROMIUM)).toBe(2);
  expect(countLeftOut(report, REDIS)).toBe(0);
});

test('a program is found by any of its names, or not at all', () => {
  expect(findProgram({ ...REDIS, names: ['no-such-program', 'sh'] })).toMatch(/\/sh$/);
  expect(findProgram({ ...REDIS, names: ['no-such-program'] })).toBeUndefined();
});
