import { setTimeout as delay } from 'node:timers/promises';
import type { PipelineConfig } from '../config/config.ts';
import type { Envelope } from '../core/envelope.ts';
import { SluiceError } from '../core/failure.ts';
import type { PipelineStatus } from '../core/status.ts';
import { createPipeline } from '../engine/pipeline.ts';
import type { PipelineDefinition } from '../engine/pipeline-definition.ts';
import type { HttpOptions } from '../ops/http.ts';
import { createMetrics } from '../ops/metrics.ts';
import type { Invocation, Outcome } from './action.ts';
import { buildPipeline } from './build-pipeline.ts';
import type { DemoOptions } from './demo.ts';
import { runShop } from './demo-shop.ts';
import { type DemoSummary, DemoWatch } from './demo-watch.ts';
import { EXIT } from './exit-code.ts';
import { humanSpan } from './human.ts';
import { createLogger } from './logging.ts';
import { packageVersion } from './package-version.ts';
import { listenForSignals } from './signals.ts';
import { snapshotControl } from './snapshot-control.ts';

const DATABASE = 'shop';
const PIPELINE = 'demo';

/** Starts the servers, the shop and the pipeline; ends after `--events`, at Ctrl-C, or when the pipeline fails. */
export async function runDemo(invocation: Invocation<DemoOptions>): Promise<Outcome> {
  const { options, terminal } = invocation;
  using signals = listenForSignals();
  const say = (text: string) => {
    if (!options.quiet) terminal.message(`${terminal.paintMessage('gray', text)}\n`);
  };
  await using servers = await startServers(options, say);
  const watch = new DemoWatch();
  const definition = await demoPipeline(invocation, servers, watch);
  const logger = createLogger({
    level: options.verbose ? 'info' : 'warn',
    pretty: true,
    write: (line) => terminal.message(line),
    mask: (text) => text,
    paint: terminal.paintMessage,
  });
  const metrics = createMetrics({ version: packageVersion() });
  const pipeline = createPipeline(definition, { logger, telemetry: metrics.telemetryFor(PIPELINE) });
  const finished = new AbortController();
  const stop = AbortSignal.any([signals.stop, finished.signal]);
  const control = snapshotControl([pipeline]);
  await using http = await startEndpoint(options, { metrics, logger, control, pipelines: () => [pipeline.status()] });
  say(
    `${describeTarget(options)} health and metrics at ${http.url} (/readyz /metrics /api/pipelines). Ctrl-C ends it.`,
  );
  watch.onDelivered = async (batch) => {
    if (!options.json && !(await showBatch(invocation, batch))) finished.abort();
    if (options.events !== undefined && watch.events >= options.events) finished.abort();
  };
  const running = pipeline.run({ stop, abort: signals.abort }).finally(() => finished.abort());
  const ready = await untilReady(() => pipeline.status(), stop);
  const shop = ready
    ? runShop({ uri: servers.mongoUri, database: DATABASE, rate: options.rate, signal: stop })
    : undefined;
  const ticker = ready ? showEverySecond(() => pipeline.status(), say, stop) : undefined;
  const status = await running;
  await Promise.all([shop, ticker]);
  return outcomeOf(status, watch.summary());
}

interface Servers extends AsyncDisposable {
  readonly mongoUri: string;
  readonly brokers: readonly string[] | undefined;
}

async function startServers(options: DemoOptions, say: (text: string) => void): Promise<Servers> {
  const { startMongo } = await import('../testing/servers/mongo.ts');
  await using opened = new AsyncDisposableStack();
  say('Starting a MongoDB of its own (the first time it is fetched and cached) …');
  const mongo = opened.use(await startMongo());
  let brokers: readonly string[] | undefined;
  if (options.to === 'kafka') {
    const { startKafka } = await import('../testing/servers/kafka.ts');
    say('Starting a Kafka of its own (the first time it is fetched and cached) …');
    brokers = opened.use(await startKafka()).brokers;
  }
  const resources = opened.move();
  return { mongoUri: mongo.uri, brokers, [Symbol.asyncDispose]: () => resources[Symbol.asyncDispose]() };
}

/** The pipeline as a configuration file would give it, with a watch over its sink. */
async function demoPipeline(
  { options, terminal }: Invocation<DemoOptions>,
  { mongoUri, brokers }: Servers,
  watch: DemoWatch,
): Promise<PipelineDefinition> {
  const [{ checkConfigText }, { registry }] = await Promise.all([
    import('../config/load.ts'),
    import('../connectors/registry.ts'),
  ]);
  const kafka = { brokers, topic: '{db}.{coll}', createTopics: { partitions: 3, replicationFactor: 1 } };
  const source = {
    uri: '${env:DEMO_URI}',
    include: [`${DATABASE}.*`],
    maxAwaitTime: '250ms',
    fullDocument: 'updateLookup',
  };
  const text = JSON.stringify({
    version: 1,
    pipelines: {
      [PIPELINE]: { source: { mongodb: source }, sink: brokers === undefined ? { stdout: {} } : { kafka } },
    },
  });
  const { config } = checkConfigText(text, { file: 'the demo', registry, env: { DEMO_URI: mongoUri } });
  const logger = createLogger({
    level: 'error',
    pretty: true,
    write: (line) => terminal.message(line),
    mask: (line) => line,
    paint: terminal.paintMessage,
  });
  const definition = buildPipeline(config.pipelines[0] as PipelineConfig, { registry, logger });
  return {
    ...definition,
    sinkName: brokers === undefined ? 'terminal' : definition.sinkName,
    openSink: async (signal) => watch.over(options.to === 'kafka' ? await definition.openSink(signal) : undefined),
  };
}

async function startEndpoint({ listen }: DemoOptions, parts: Omit<HttpOptions, 'host' | 'port' | 'token'>) {
  const [{ startHttp }, { parseListenAddress }] = await Promise.all([
    import('../ops/http.ts'),
    import('../config/listen-address.ts'),
  ]);
  const address = parseListenAddress(listen);
  if (address === undefined)
    throw new SluiceError(`"${listen}" is not an address`, { kind: 'config', code: 'cli.usage' });
  return startHttp({ ...parts, ...address });
}

function describeTarget({ to }: DemoOptions): string {
  return to === 'kafka' ? 'Changes go through Kafka and are shown when it has acknowledged them;' : 'Changes follow;';
}

async function untilReady(status: () => PipelineStatus, stop: AbortSignal): Promise<boolean> {
  while (!stop.aborted) {
    if (status().state === 'running' && status().checkpoint !== undefined) return true;
    await delay(20, undefined, { signal: stop }).catch(() => undefined);
  }
  return false;
}

/** False when the reader of the output has gone (`sluice demo | head`). */
async function showBatch({ terminal }: Invocation<DemoOptions>, batch: readonly Envelope[]): Promise<boolean> {
  const { changeLine } = await import('./change-line.ts');
  const lines = batch.map(
    (envelope) =>
      `${changeLine(envelope, { paint: terminal.paint, lagMs: Date.now() - envelope.event.sourceTimeMs })}\n`,
  );
  return terminal.data(lines.join(''));
}

async function showEverySecond(
  status: () => PipelineStatus,
  say: (text: string) => void,
  stop: AbortSignal,
): Promise<void> {
  while (!stop.aborted) {
    await delay(1_000, undefined, { signal: stop }).catch(() => undefined);
    const { state, eventsPerSecond, lagMs, counts } = status();
    const lag = lagMs === undefined ? 'unknown' : humanSpan(lagMs);
    say(`── ${state} · ${Math.round(eventsPerSecond)} changes/s · lag ${lag} · ${counts.delivered} delivered`);
  }
}

function outcomeOf(status: PipelineStatus, summary: DemoSummary): Outcome {
  if (status.state === 'failed' && status.error !== undefined) {
    const { message, kind, code, hint } = status.error;
    throw new SluiceError(message, { kind, code, hint });
  }
  const operations = Object.entries(summary.operations).map(([op, count]) => `${count} ${op}`);
  const order = summary.outOfOrder === 0 ? 'every document in order' : `${summary.outOfOrder} out of order`;
  const text =
    `${summary.events} changes in ${summary.seconds} s (${operations.join(', ')}); ${order}; ` +
    `commit to acknowledgement ${summary.latencyP50Ms} ms (median), ${summary.latencyP99Ms} ms (99 %).\n`;
  return { exitCode: summary.outOfOrder === 0 ? EXIT.ok : EXIT.bug, result: summary, text };
}
