import type { PipelineConfig } from '../config/config.ts';
import { formatSetting } from '../config/format-schema.ts';
import { checkConfigText } from '../config/load.ts';
import { registry } from '../connectors/registry.ts';
import type { ChangeEvent } from '../core/change-event.ts';
import { asSluiceError, isAbort } from '../core/failure.ts';
import type { Format } from '../core/format.ts';
import type { Logger } from '../core/logger.ts';
import type { Source } from '../core/source.ts';
import { parseDuration } from '../settings/units.ts';
import { type Invocation, type Outcome, usageError } from './action.ts';
import { connectorContext, entryOf, pipelineFormat } from './build-pipeline.ts';
import { changeLine } from './change-line.ts';
import { loadCalled } from './load.ts';
import { createLogger } from './logging.ts';
import { onePipeline } from './select-pipelines.ts';
import { listenForSignals } from './signals.ts';
import type { TailOptions } from './tail.ts';
import type { Terminal } from './terminal.ts';

/** What a line needs besides the details: time, operation, namespace, key. */
const LINE_HEAD_CHARACTERS = 70;

/** Shows the changes of a source until the limit, the time, Ctrl-C, or until nobody reads any more. */
export async function tail(invocation: Invocation<TailOptions>): Promise<Outcome> {
  const { options, terminal } = invocation;
  const limit = limitOf(options);
  const forMs = forOf(options);
  const startAt = options.from === 'now' ? 'now' : { clusterTime: options.from };
  const pipeline = withSetting(await pipelineOf(invocation), '--from', { startAt, snapshot: 'never' });
  const render = tolerant(await renderer(invocation, pipeline), terminal);
  using signals = listenForSignals();
  const ended = new AbortController();
  const timer = forMs === undefined ? undefined : setTimeout(() => ended.abort(), forMs);
  const signal = AbortSignal.any([signals.stop, ended.signal]);
  let shown = 0;
  const show = async (events: readonly ChangeEvent[]) => {
    const wanted = events.slice(0, limit - shown);
    shown += wanted.length;
    const going = await terminal.data(wanted.map(render).join(''));
    if (!going || shown >= limit) ended.abort();
  };
  try {
    await readUntil(signal, { open: () => openTail(pipeline, logger(invocation), signal), show });
  } catch (error) {
    if (!isAbort(error, signal)) throw error;
  } finally {
    clearTimeout(timer);
  }
  if (options.quiet !== true && terminal.isInteractive) terminal.message(`${shown} changes\n`);
  return {};
}

async function readUntil(
  signal: AbortSignal,
  { open, show }: { open: () => Promise<Source>; show: (events: readonly ChangeEvent[]) => Promise<void> },
): Promise<void> {
  await using source = await open();
  for await (const { events } of source.read(undefined, signal)) {
    if (events.length > 0) await show(events);
    if (signal.aborted) return;
  }
}

/** The pipeline of the configuration, or one made up for `--uri`. */
async function pipelineOf(invocation: Invocation<TailOptions>): Promise<PipelineConfig> {
  const { options, args, env } = invocation;
  const name = args[0] as string | undefined;
  const { uri, include } = options;
  if (uri === undefined) {
    const { config } = await loadCalled(invocation);
    const pipeline = onePipeline(config, name);
    return include === undefined ? pipeline : withSetting(pipeline, '--include', { include });
  }
  if (name !== undefined) throw usageError('either a pipeline or --uri, not both');
  const source = { mongodb: { uri, ...(include === undefined ? {} : { include }) } };
  const text = JSON.stringify({ version: 1, pipelines: { tail: { source, sink: { stdout: {} } } } });
  const { config, secrets } = checkConfigText(text, { file: 'command line', registry, env });
  invocation.hide(secrets);
  return onePipeline(config, undefined);
}

/** The pipeline with another setting of its source, checked like one in the file. */
function withSetting(
  pipeline: PipelineConfig,
  option: string,
  setting: Readonly<Record<string, unknown>>,
): PipelineConfig {
  const { source } = pipeline;
  const changed = { ...source.config };
  for (const [key, value] of Object.entries(setting)) {
    const parsed = entryOf(registry.sources, source).config.shape[key]?.safeParse(value);
    if (parsed?.success !== true)
      throw usageError(`${option}: ${parsed?.error.issues[0]?.message ?? 'not possible here'}`);
    changed[key] = parsed.data;
  }
  return { ...pipeline, source: { ...source, config: changed } };
}

async function openTail(pipeline: PipelineConfig, log: Logger, signal: AbortSignal): Promise<Source> {
  const connector = await entryOf(registry.sources, pipeline.source).load();
  const partition = `${pipeline.name}/tail`;
  const context = { ...connectorContext(pipeline, log)(signal), partition, onPositionLost: 'fail' } as const;
  return connector.open(pipeline.source.config, context);
}

async function renderer(
  { options, terminal }: Invocation<TailOptions>,
  pipeline: PipelineConfig,
): Promise<(event: ChangeEvent) => string> {
  if (options.json === true || options.format !== undefined) {
    return recordLine(await formatOf(options.format ?? 'change', pipeline));
  }
  const width = Math.max(40, terminal.columns - LINE_HEAD_CHARACTERS);
  return (event) => `${changeLine({ event, namespace: NO_NAMESPACE }, { paint: terminal.paint, width })}\n`;
}

/** The line is drawn from the event alone; asking a damaged one for its namespace would throw. */
const NO_NAMESPACE = { db: '', coll: '' };

/** An event that has no form in the format is told about and passed over: a tail has no dead letters. */
function tolerant(render: (event: ChangeEvent) => string, terminal: Terminal): (event: ChangeEvent) => string {
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

/** The options of the pipeline's own format where it has that name, else the defaults. */
function formatOf(name: NonNullable<TailOptions['format']>, pipeline: PipelineConfig): Promise<Format> {
  const { sink } = pipeline;
  const format = sink.format.name === name ? sink.format : formatSetting.parse(name);
  return pipelineFormat({ ...pipeline, sink: { ...sink, format } });
}

function recordLine(format: Format): (event: ChangeEvent) => string {
  return (event) => {
    const record = format.encode({ event, namespace: event.namespace });
    if (record === undefined) return '';
    return `${record.value === null ? 'null' : record.value.toString('utf8')}\n`;
  };
}

function logger({ options, terminal }: Invocation<TailOptions>): Logger {
  const level = options.quiet === true ? 'error' : options.verbose === true ? 'debug' : 'warn';
  const write = (line: string) => terminal.message(line);
  return createLogger({ level, pretty: true, write, mask: (text) => text, paint: terminal.paintMessage });
}

function limitOf({ limit }: TailOptions): number {
  if (limit === undefined) return Number.POSITIVE_INFINITY;
  const value = Number(limit);
  if (Number.isSafeInteger(value) && value > 0) return value;
  throw usageError(`--limit ${limit} is not a whole number from 1`);
}

function forOf(options: TailOptions): number | undefined {
  if (options.for === undefined) return undefined;
  const ms = parseDuration(options.for);
  if (ms !== undefined && ms > 0) return ms;
  throw usageError(`--for ${options.for} is not a duration`, 'write "10s" or "5m"');
}
