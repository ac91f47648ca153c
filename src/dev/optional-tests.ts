import type { OptionalProgram } from './optional-programs.js';

/** Ends the title of a group of tests that need a program, so that a report can tell them. */
export const needs = ({ title }: OptionalProgram): string => ` [${title}]`;

/** What is read of jest's result file. */
export interface JestReport {
  readonly testResults: readonly {
    readonly assertionResults: readonly {
      readonly status: string;
      readonly ancestorTitles: readonly string[];
    }[];
  }[];
}

/** How many tests did not run that need this program. */
export function countLeftOut({ testResults }: JestReport, program: OptionalProgram): number {
  const ending = needs(program);
  return testResults
    .flatMap(({ assertionResults }) => assertionResults)
    .filter(
      ({ status, ancestorTitles }) =>
        status === 'pending' && ancestorTitles.some((title) => title.endsWith(ending)),
    ).length;
}
