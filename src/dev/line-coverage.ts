import { readFileSync } from 'node:fs';

/** One script in the form in which V8 reports its coverage (NODE_V8_COVERAGE, Profiler.takePreciseCoverage). */
export interface ScriptCoverage {
  readonly url: string;
  readonly functions: readonly {
    readonly ranges: readonly {
      readonly startOffset: number;
      readonly endOffset: number;
      readonly count: number;
    }[];
  }[];
}

/** A place in the compiled file and the line of the source that it was compiled from (both count lines from 0). */
interface Mapping {
  readonly line: number;
  readonly column: number;
  readonly sourceLine: number;
}

/** A compiled file and what is needed to tell which lines of its source ran. */
export class CompiledFile {
  private readonly mappings: readonly Mapping[];
  private readonly lineStarts: readonly number[];
  private readonly length: number;

  constructor(path: string) {
    const text = readFileSync(path, 'utf8');
    this.length = text.length;
    this.lineStarts = [0, ...[...text.matchAll(/\n/g)].map((match) => match.index + 1)];
    this.mappings = decodeMappings(
      (JSON.parse(readFileSync(`${path}.map`, 'utf8')) as { mappings: string }).mappings,
    );
  }

  /** The source lines (from 1) that have code. Blank lines, comments and types have none. */
  codeLines(): Set<number> {
    return new Set(this.mappings.map((mapping) => mapping.sourceLine + 1));
  }

  /** The source lines (from 1) of which something ran. */
  linesThatRan(script: ScriptCoverage): Set<number> {
    const ran = new Uint8Array(this.length).fill(1);
    // Inner ranges say more than the ones around them, so they are painted later.
    const ranges = script.functions.flatMap((each) => each.ranges);
    const bySize = [...ranges].sort((a, b) => b.endOffset - b.startOffset - (a.endOffset - a.startOffset));
    for (const range of bySize) ran.fill(range.count > 0 ? 1 : 0, range.startOffset, range.endOffset);
    const lines = this.mappings.filter(
      ({ line, column }) => ran[(this.lineStarts[line] ?? 0) + column] === 1,
    );
    return new Set(lines.map((mapping) => mapping.sourceLine + 1));
  }
}

const digits = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';

/** The `mappings` of a source map with one source: lines by `;`, segments by `,`, numbers in base 64 as differences. */
export function decodeMappings(text: string): Mapping[] {
  const mappings: Mapping[] = [];
  let sourceLine = 0;
  for (const [line, segments] of text.split(';').entries()) {
    let column = 0;
    for (const segment of segments.split(',').filter((each) => each !== '')) {
      const [columnStep = 0, , sourceLineStep] = decodeNumbers(segment);
      column += columnStep;
      if (sourceLineStep === undefined) continue;
      sourceLine += sourceLineStep;
      mappings.push({ line, column, sourceLine });
    }
  }
  return mappings;
}

/** Five bits per digit, the sixth says that more follow; the lowest bit of a number is its sign. */
function decodeNumbers(segment: string): number[] {
  const numbers: number[] = [];
  let value = 0;
  let shift = 0;
  for (const character of segment) {
    const digit = digits.indexOf(character);
    value += (digit & 31) << shift;
    shift += 5;
    if ((digit & 32) !== 0) continue;
    numbers.push((value & 1) === 1 ? -(value >> 1) : value >> 1);
    value = 0;
    shift = 0;
  }
  return numbers;
}
