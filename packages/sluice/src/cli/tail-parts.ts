import type { PipelineConfig } from '../config/config.ts';
import { formatSetting } from '../config/format-schema.ts';
import type { ChangeEvent } from '../core/change-event.ts';
import { asSluiceError } from '../core/failure.ts';
import type { Format } from '../core/format.ts';
import type { Logger } from '../core/logger.ts';
import { parseDuration } from '../settings/units.ts';
import { type Invocation, usageError } from './action.ts';
import { pipelineFormat } from './build-pipeline.ts';
import { changeLine } from './change-line.ts';
import { createLogger } from './logging.ts';
import type { TailOptions } from './tail.ts';
import type { Terminal } from './terminal.ts';

/*
 * What tailing a source and tailing a topic share.
 */

/** What a line needs besides the details: time, operation, namespace, key. */
const LINE_HEAD_CHARACTERS = 70;

/** The line is drawn from the event alone; asking a damaged one for its namespace would throw. */
const NO_NAMESPACE = { db: '', coll: '' };

/** An event as a readable line, without its end. */
export function readableLine(terminal: Terminal): (event: ChangeEvent) => string {
  const width = Math.max(40, terminal.columns - LINE_HEAD_CHARACTERS);
  return (event) => changeLine({ event, namespace: NO_NAMESPACE }, { paint: terminal.paint, width });
}

/** The options of the pipeline's own format where it has that name, else the defaults. */
export function tailFormat(name: NonNullable<TailOptions['format']>, pipeline: PipelineConfig): Promise<Format> {
  const { sink } = pipeline;
  const format = sink.format.name === name ? sink.format : formatSetting.parse(name);
  return pipelineFormat({ ...pipeline, sink: { ...sink, format } });
}

/** An event as a record of the format with the end of the line; empty where it has none. */
export function recordLine(format: Format): (event: ChangeEvent) => string {
  return (event) => {
    const record = format.encode({ event, namespace: event.namespace });
    if (record === undefined) return '';
    return `${record.value === null ? 'null' : record.value.toString('utf8')}\n`;
  };
}

/** An event that has no form in the format is told about and passed over: a tail has no dead letters. */
export function tolerant(render: (event: ChangeEvent) => string, terminal: Terminal): (event: ChangeEvent) => string {
  return (event) => {
    try {
      return render(event);
    } catch (error) {
      const { message, code } = asSluiceError(error);
      terminal.message(`${terminal.paintMessage('yellow', 'not shown')}: ${event.id}: ${message} (${code})\n`);
      return '';
    }
  };
}

/** Warnings and errors while it reads. */
export function tailLogger({ options, terminal }: Invocation<TailOptions>): Logger {
  const level = options.quiet === true ? 'error' : options.verbose === true ? 'debug' : 'warn';
  const write = (line: string) => terminal.message(line);
  return createLogger({ level, pretty: true, write, mask: (text) => text, paint: terminal.paintMessage });
}

/** How many to show at most. */
export function limitOf({ limit }: TailOptions): number {
  if (limit === undefined) return Number.POSITIVE_INFINITY;
  const value = Number(limit);
  if (Number.isSafeInteger(value) && value > 0) return value;
  throw usageError(`--limit ${limit} is not a whole number from 1`);
}

/** After how many ms to end. */
export function forOf(options: TailOptions): number | undefined {
  if (options.for === undefined) return undefined;
  const ms = parseDuration(options.for);
  if (ms !== undefined && ms > 0) return ms;
  throw usageError(`--for ${options.for} is not a duration`, 'write "10s" or "5m"');
}
