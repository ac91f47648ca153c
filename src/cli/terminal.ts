import { styleText } from 'node:util';

type Style = Parameters<typeof styleText>[0];

/** One output stream of the process, written by whole lines. */
export class TextChannel {
  /** Whether text may be coloured. */
  readonly colours: boolean;

  constructor(
    readonly stream: NodeJS.WritableStream & { readonly isTTY?: boolean },
    noColour: boolean,
  ) {
    this.colours = stream.isTTY === true && !noColour;
  }

  get isTerminal(): boolean {
    return this.stream.isTTY === true;
  }

  line(text = ''): void {
    this.stream.write(`${text}\n`);
  }

  /** Styles the text where a person looks at a terminal; elsewhere it stays plain. */
  paint(style: Style, text: string): string {
    return this.colours ? styleText(style, text, { validateStream: false }) : text;
  }
}

/** Answers go to `out`, everything about the way there (notes, progress, errors) to `err`. */
export interface Terminal {
  readonly out: TextChannel;
  readonly err: TextChannel;
}

/** The process's own streams. Colours are left out where NO_COLOR is set, whatever its value. */
export function processTerminal(environment: Readonly<Record<string, string | undefined>>): Terminal {
  const noColour = (environment.NO_COLOR ?? '') !== '';
  return { out: new TextChannel(process.stdout, noColour), err: new TextChannel(process.stderr, noColour) };
}
