import type { PipelineConfig } from '../config/config.ts';
import { checkConfigText } from '../config/load.ts';
import { registry } from '../connectors/registry.ts';
import type { ChangeEvent } from '../core/change-event.ts';
import { isAbort } from '../core/failure.ts';
import type { Logger } from '../core/logger.ts';
import type { Source } from '../core/source.ts';
import { type Invocation, type Outcome, usageError } from './action.ts';
import { connectorContext, entryOf } from './build-pipeline.ts';
import { loadCalled } from './load.ts';
import { onePipeline } from './select-pipelines.ts';
import { listenForSignals } from './signals.ts';
import type { TailOptions } from './tail.ts';
import { forOf, limitOf, readableLine, recordLine, tailFormat, tailLogger, tolerant } from './tail-parts.ts';

/** Shows the changes of a source until the limit, the time, Ctrl-C, or until nobody reads any more. */
export async function tail(invocation: Invocation<TailOptions>): Promise<Outcome> {
  const { options, terminal } = invocation;
  const limit = limitOf(options);
  const forMs = forOf(options);
  const { from = 'now' } = options;
  const startAt = from === 'now' ? 'now' : { clusterTime: from };
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
    await readUntil(signal, { open: () => openTail(pipeline, tailLogger(invocation), signal), show });
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
    return recordLine(await tailFormat(options.format ?? 'change', pipeline));
  }
  const line = readableLine(terminal);
  return (event) => `${line(event)}\n`;
}
