import type { PipelineConfig } from '../config/config.ts';
import type { LoadedConfig } from '../config/load.ts';
import { registry } from '../connectors/registry.ts';
import type { Logger } from '../core/logger.ts';
import type { PipelineStatus } from '../core/status.ts';
import { createPipeline, DRAIN_TIMEOUT, type Pipeline } from '../engine/pipeline.ts';
import { thisInstance } from '../engine/this-instance.ts';
import { type HttpOptions, startHttp } from '../ops/http.ts';
import { createMetrics, type MetricsRegistry } from '../ops/metrics.ts';
import { natsConnectorHealth } from '../ops/nats-connector-health.ts';
import type { PipelineSchema } from '../schema/pipeline-schema.ts';
import type { Invocation, Outcome } from './action.ts';
import { buildPipeline } from './build-pipeline.ts';
import { EXIT, exitCodeOf, signalExitCode, worstExitCode } from './exit-code.ts';
import { humanCount } from './human.ts';
import { loadCalled } from './load.ts';
import { loadImported } from './load-imported.ts';
import { packageVersion } from './package-version.ts';
import { pipelineChecks } from './pipeline-checks.ts';
import { errorText } from './pipeline-line.ts';
import { pipelineSchema, schemaControl } from './pipeline-schema.ts';
import type { RunOptions } from './run.ts';
import { type RunOutput, runOutput } from './run-output.ts';
import { selectPipelines } from './select-pipelines.ts';
import { listenForSignals } from './signals.ts';
import { snapshotControl } from './snapshot-control.ts';
import { copiedText } from './snapshot-text.ts';

/** Runs pipelines until they all ended or the operator stops them; the worst of them decides the exit code. */
export async function run(invocation: Invocation<RunOptions>): Promise<Outcome> {
  const words = (invocation.args[0] ?? []) as readonly string[];
  const { from } = invocation.options;
  const imported = from === undefined ? undefined : await loadImported(invocation, from, words);
  const loaded = imported?.loaded ?? (await loadCalled(invocation));
  const configs = selectPipelines(loaded.config, imported === undefined ? words : []);
  const output = runOutput(invocation, loaded, configs);
  for (const { option, outcome, to, reason } of imported?.report ?? []) {
    output.logger.info({ option, outcome, to }, reason === '' ? outcome : reason);
  }
  const metrics = createMetrics({ version: packageVersion() });
  const made = makePipelines(configs, { logger: output.logger, metrics });
  const pipelines = made.map(({ pipeline }) => pipeline);
  using signals = listenForSignals({
    onStop: () => output.note('stopping: delivering what is in flight; a second signal stops at once'),
    onAbort: () => output.note('stopping at once'),
  });
  const statuses = () => pipelines.map((pipeline) => pipeline.status());
  const health = from === 'nats-connector' ? natsConnectorHealth : undefined;
  const endpoint = {
    metrics,
    logger: output.logger,
    pipelines: statuses,
    control: snapshotControl(pipelines),
    schemas: schemaControl(new Map(made.flatMap(({ pipeline, schema }) => (schema ? [[pipeline.name, schema]] : [])))),
    health,
  };
  await using _http = invocation.options.http ? await openHttp(loaded, endpoint) : undefined;
  const ended = await runAll(pipelines, signals, output, statuses);
  if (invocation.options.quiet !== true) for (const status of ended) output.note(summary(status));
  const signal = signals.received();
  const undrained = ended.some(({ state, error }) => state === 'stopped' && error?.code === DRAIN_TIMEOUT);
  const cutShort = signal !== undefined && (signals.abort.aborted || undrained);
  return { exitCode: cutShort ? signalExitCode(signal) : exitCode(ended), result: { pipelines: ended } };
}

/** A pipeline to be run, and what learns its schema. */
interface MadePipeline {
  readonly pipeline: Pipeline;
  readonly schema: PipelineSchema | undefined;
}

function makePipelines(
  configs: readonly PipelineConfig[],
  { logger: parent, metrics }: { readonly logger: Logger; readonly metrics: MetricsRegistry },
): readonly MadePipeline[] {
  const instance = thisInstance();
  return configs.map((config) => {
    const logger = parent.child({ pipeline: config.name });
    const telemetry = metrics.telemetryFor(config.name);
    const schema = pipelineSchema(config, { registry, logger, telemetry });
    const check = async (signal: AbortSignal) => {
      const findings = await Promise.all(pipelineChecks(config).map((one) => one.run(signal)));
      return findings.flat();
    };
    const definition = buildPipeline(config, { registry, logger, instance, schema });
    return { pipeline: createPipeline({ ...definition, check }, { logger, telemetry }), schema };
  });
}

function openHttp({ config }: LoadedConfig, parts: Omit<HttpOptions, 'host' | 'port' | 'token'>) {
  const { listen, token } = config.http;
  return startHttp({ ...parts, ...listen, token: token?.reveal() });
}

async function runAll(
  pipelines: readonly Pipeline[],
  signals: { readonly stop: AbortSignal; readonly abort: AbortSignal },
  output: RunOutput,
  statuses: () => readonly PipelineStatus[],
): Promise<readonly PipelineStatus[]> {
  const stopShowing = output.showStatus(statuses);
  using patience = afterAbort(signals.abort, ABORT_PATIENCE_MS);
  try {
    const ended = Promise.all(pipelines.map((pipeline) => pipeline.run(signals)));
    return await Promise.race([ended, patience.over.then(statuses)]);
  } finally {
    stopShowing();
  }
}

/** How long an aborted pipeline may take to let go; what hangs in the system (a dead disk) is then left behind. */
const ABORT_PATIENCE_MS = 2_000;

function afterAbort(abort: AbortSignal, ms: number): Disposable & { readonly over: Promise<void> } {
  const { promise: over, resolve } = Promise.withResolvers<void>();
  let timer: NodeJS.Timeout | undefined;
  const wait = () => {
    timer = setTimeout(resolve, ms);
  };
  abort.addEventListener('abort', wait, { once: true });
  return {
    over,
    [Symbol.dispose]() {
      abort.removeEventListener('abort', wait);
      clearTimeout(timer);
    },
  };
}

/** The reader of the standard output has gone (`sluice run | head`): that is the end it wanted. */
const STREAM_CLOSED = 'stream.closed';

function exitCode(statuses: readonly PipelineStatus[]): number {
  const failed = statuses.filter(({ state, error }) => state === 'failed' && error?.code !== STREAM_CLOSED);
  return worstExitCode(failed.map(({ error }) => (error === undefined ? EXIT.bug : exitCodeOf(error.kind))));
}

function summary(status: PipelineStatus): string {
  const { name, state, counts } = status;
  const error = state === 'failed' ? `: ${errorText(status, Date.now())}` : '';
  const hint = state === 'failed' && status.error?.hint !== undefined ? `; ${status.error.hint}` : '';
  const copied = status.snapshot === undefined ? '' : `, ${copiedText(status.snapshot)}`;
  return `${name} ${state}, ${humanCount(counts.delivered)} delivered, ${humanCount(counts.deadLettered)} dead letters${copied}${error}${hint}`;
}
