import { once } from 'node:events';
import { styleText } from 'node:util';

/** Styles that the output uses. */
export type Style = Parameters<typeof styleText>[0];

/** Standard output for data, standard error for everything else. */
export interface Terminal {
  /** Writes data and waits while the reader is slower. Resolves false when the reader is gone (`| head`). */
  data(text: string): Promise<boolean>;
  /** Writes a message for people. */
  message(text: string): void;
  /** Colours for data, or the text as it is. */
  readonly paint: (style: Style, text: string) => string;
  /** Colours for messages. */
  readonly paintMessage: (style: Style, text: string) => string;
  /** True when a person looks at the messages. */
  readonly isInteractive: boolean;
  /** Width for messages. */
  readonly columns: number;
}

/** What colours depend on. */
export interface TerminalOptions {
  /** False with `--no-color`. */
  readonly color: boolean;
  readonly env: NodeJS.ProcessEnv;
}

const DEFAULT_COLUMNS = 100;

/** The terminal of this process. Colours only on a TTY, and never with NO_COLOR or `--no-color`. */
export function processTerminal(options: TerminalOptions): Terminal {
  const { stdout, stderr } = process;
  let readerGone = false;
  // Without a listener a closed pipe would end the process with a stack trace.
  stdout.on('error', () => {
    readerGone = true;
  });
  stderr.on('error', () => {});
  return {
    async data(text) {
      if (readerGone || stdout.destroyed) return false;
      if (!stdout.write(text)) await drained(stdout);
      return !readerGone;
    },
    message(text) {
      stderr.write(text);
    },
    paint: painter(hasColors(stdout, options)),
    paintMessage: painter(hasColors(stderr, options)),
    isInteractive: stderr.isTTY,
    // Some terminals say 0 when they do not know.
    columns: stderr.columns || DEFAULT_COLUMNS,
  };
}

/** Resolves when the stream takes more, and also when it is gone. */
async function drained(stream: NodeJS.WriteStream): Promise<void> {
  const waiting = new AbortController();
  const options = { signal: waiting.signal };
  try {
    await Promise.race([once(stream, 'drain', options), once(stream, 'close', options)]);
  } catch {
    // An error of the stream ends the waiting too; the listener on it has noted that the reader is gone.
  } finally {
    waiting.abort();
  }
}

function hasColors(stream: { readonly isTTY?: boolean }, { color, env }: TerminalOptions): boolean {
  const forced = env['FORCE_COLOR'];
  if (!color || (env['NO_COLOR'] ?? '') !== '') return false;
  if (forced !== undefined && forced !== '') return forced !== '0';
  return stream.isTTY === true && env['TERM'] !== 'dumb';
}

function painter(enabled: boolean): (style: Style, text: string) => string {
  return enabled ? (style, text) => styleText(style, text, { validateStream: false }) : (_style, text) => text;
}
