/** Run through `npm test`, which starts the PostgreSQL that the tests use. */
export default {
  roots: ['src', 'test', 'bench', 'clients/node/src', 'clients/web/src'].map((folder) => `<rootDir>/${folder}`),
  testMatch: ['**/*.test.ts'],
  testEnvironment: 'node',
  extensionsToTreatAsEsm: ['.ts'],
  // .js first: packages that ship their TypeScript sources beside the compiled files mean the compiled ones.
  moduleFileExtensions: ['js', 'mjs', 'cjs', 'ts', 'json', 'node'],
  moduleNameMapper: { '^(\\.{1,2}/.*)\\.js$': '$1' },
  transform: {
    '\\.ts$': [
      '@swc/jest',
      {
        jsc: { parser: { syntax: 'typescript' }, target: 'es2022' },
        module: { type: 'es6' },
        sourceMaps: 'inline',
      },
    ],
  },
  // Not what a test may take, but when it is stuck: many start processes, on machines that may be busy.
  testTimeout: 120_000,
  maxWorkers: 2,
};
