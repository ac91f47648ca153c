import tests from './jest.config.mjs';

/** The same tests, run through `npm run coverage` on the compiled code: see src/dev/coverage.ts. */
export default {
  ...tests,
  transform: {
    '^(?!.*/clients/).*\\.ts$': '<rootDir>/dist/src/dev/compiled-code-transform.js',
    ...tests.transform,
  },
  collectCoverage: true,
  coverageProvider: 'v8',
  coverageReporters: ['none'],
  reporters: ['default', '<rootDir>/dist/src/dev/coverage-reporter.js'],
};
