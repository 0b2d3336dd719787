import { SluiceError } from '../core/failure.ts';
import type { Options } from './ledger.ts';

/** A connector's file: its name and its settings. */
export interface ConnectorFile {
  readonly name: string | undefined;
  readonly options: Options;
}

/** Reads `{"name": …, "config": {…}}`, the same without `config`, or a properties file. Throws `config` errors. */
export function readConnectorFile(text: string): ConnectorFile {
  if (!/^\s*[{[]/.test(text)) {
    const options = readProperties(text);
    return { name: options['name'], options };
  }
  const content = parseJson(text);
  const { name, config } = content;
  const nested = typeof config === 'object' && config !== null && !Array.isArray(config);
  const options = toOptions((nested ? config : content) as Record<string, unknown>);
  return { name: typeof name === 'string' ? name : options['name'], options };
}

function parseJson(text: string): Record<string, unknown> {
  let content: unknown;
  try {
    content = JSON.parse(text);
  } catch (cause) {
    // The message of the parser may quote the text, and with it a password.
    throw unreadable('it begins like JSON, but is not valid JSON', cause);
  }
  if (typeof content !== 'object' || content === null || Array.isArray(content)) {
    throw unreadable('it holds no connector: expected an object with "name" and "config"');
  }
  return content as Record<string, unknown>;
}

function toOptions(config: Readonly<Record<string, unknown>>): Options {
  const entries = Object.entries(config).map(([name, value]) => [name, toText(value)] as const);
  return Object.fromEntries(entries);
}

function toText(value: unknown): string {
  if (typeof value === 'string') return value;
  return value === null || value === undefined ? '' : JSON.stringify(value);
}

/** Lines `name=value` or `name: value`; `#` and `!` begin comments, a backslash at the end continues a line. */
export function readProperties(text: string): Options {
  const options: Record<string, string> = {};
  const lines = text.replaceAll(/\\\r?\n[ \t]*/g, '').split(/\r?\n/);
  for (const line of lines) {
    const [, name, value] = /^\s*([^#!\s=:][^\s=:]*)\s*[=:]?\s*(.*)$/.exec(line) ?? [];
    if (name !== undefined) options[name] = unescape(value ?? '');
  }
  return options;
}

function unescape(value: string): string {
  const controls: Readonly<Record<string, string>> = { n: '\n', t: '\t', r: '\r', f: '\f' };
  return value.replaceAll(/\\(.)/g, (_, character: string) => controls[character] ?? character);
}

function unreadable(why: string, cause?: unknown): SluiceError {
  return new SluiceError(`the file cannot be read: ${why}`, {
    kind: 'config',
    code: 'import.unreadable',
    hint: 'Give the JSON that was sent to Kafka Connect, or the properties file of a standalone worker.',
    // A cause of JSON.parse quotes the text.
    cause: cause instanceof Error ? new Error(cause.name) : undefined,
  });
}
