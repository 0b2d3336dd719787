import { pino } from 'pino';
import type { LogConfig } from '../config/config.ts';
import type { Logger } from '../core/logger.ts';
import { maskedJson } from './failure-output.ts';
import { humanTime } from './human.ts';
import type { Style } from './terminal.ts';

/** Where and how a command logs. */
export interface LoggingOptions {
  readonly level: LogConfig['level'];
  /** Readable lines instead of JSON. */
  readonly pretty: boolean;
  /** Writes one line, its line break included. */
  readonly write: (line: string) => void;
  /** Takes secrets out of a text. */
  readonly mask: (text: string) => string;
  readonly paint: (style: Style, text: string) => string;
}

/**
 * A logger of JSON lines, or of readable ones for a terminal. Whatever is logged passes `mask`; errors are logged by
 * message and code only.
 */
export function createLogger({ level, pretty, write, mask, paint }: LoggingOptions): Logger {
  const render = (line: string) => {
    const masked = maskedJson(JSON.parse(line), mask);
    return pretty ? prettyLine(masked, paint) : masked;
  };
  const destination = { write: (line: string) => write(render(line)) };
  const options = {
    level,
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label: string) => ({ level: label }) },
    serializers: { err: describeError, error: describeError, cause: describeError },
  };
  return pino(options, destination);
}

function describeError(error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  return { name: error.name, message: error.message, code: (error as { readonly code?: unknown }).code };
}

const LEVEL_STYLES: Readonly<Record<string, Style>> = { debug: 'gray', info: 'green', warn: 'yellow', error: 'red' };

/** `12:30:01 warn  orders: the message  key=value` */
function prettyLine(line: string, paint: LoggingOptions['paint']): string {
  const { level, time, msg, pipeline, ...fields } = JSON.parse(line) as Record<string, unknown>;
  const label = String(level);
  const atMs = Date.parse(String(time));
  // A secret that looks like a part of the time has been masked in it.
  const clock = Number.isNaN(atMs) ? String(time) : humanTime(atMs).slice(11, 19);
  const who = typeof pipeline === 'string' ? `${paint('bold', pipeline)}: ` : '';
  const rest = Object.entries(fields).map(([key, value]) => `${key}=${fieldText(value)}`);
  const details = rest.length === 0 ? '' : `  ${paint('gray', rest.join(' '))}`;
  return `${paint('gray', clock)} ${paint(LEVEL_STYLES[label] ?? 'green', label.padEnd(5))} ${who}${String(msg)}${details}\n`;
}

function fieldText(value: unknown): string {
  if (typeof value === 'string') return /^[\w.:/@-]+$/.test(value) ? value : JSON.stringify(value);
  return JSON.stringify(value) ?? '';
}
