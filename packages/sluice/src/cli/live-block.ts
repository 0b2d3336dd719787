import { visibleWidth } from './table.ts';

/** Where the block is drawn. */
export interface LiveStream {
  write(text: string): unknown;
  readonly columns?: number | undefined;
}

const DEFAULT_COLUMNS = 80;

/** A few lines at the bottom of a terminal that are redrawn in place; other output passes above them. */
export class LiveBlock {
  readonly #stream: LiveStream;
  #lines: readonly string[] = [];

  constructor(stream: LiveStream) {
    this.#stream = stream;
  }

  /** Replaces the lines; each is cut to the width of the terminal, because a wrapped line could not be erased. */
  show(lines: readonly string[]): void {
    // Some terminals say 0 when they do not know.
    const width = this.#stream.columns || DEFAULT_COLUMNS;
    const cut = lines.map((line) => (visibleWidth(line) < width ? line : cutVisible(line, width - 1)));
    this.#stream.write(this.#erase() + cut.join('\n'));
    this.#lines = cut;
  }

  /** Writes lines above the block. */
  above(text: string): void {
    this.#stream.write(this.#erase() + text + this.#lines.join('\n'));
  }

  /** Leaves what is shown and goes on below it. */
  end(): void {
    if (this.#lines.length > 0) this.#stream.write('\n');
    this.#lines = [];
  }

  #erase(): string {
    if (this.#lines.length === 0) return '';
    const up = this.#lines.length - 1;
    return `\r${up > 0 ? `\u001b[${up}A` : ''}\u001b[J`;
  }
}

const COLOR_OR_CHARACTER = new RegExp(`${String.fromCharCode(27)}\\[[\\d;]*m|.`, 'gsu');

/** The first characters of a coloured text; escape sequences take no room and are kept, so colours end. */
function cutVisible(text: string, width: number): string {
  let room = width;
  return text.replace(COLOR_OR_CHARACTER, (part) => (part.startsWith('\u001b') || room-- > 0 ? part : ''));
}
