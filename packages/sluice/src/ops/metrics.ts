import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import type { PipelineState, PipelineStatus } from '../core/status.ts';
import type { Telemetry } from '../core/telemetry.ts';
import { PIPELINE_METRICS } from './pipeline-metrics.ts';

const STATES: readonly PipelineState[] = [
  'starting',
  'standby',
  'running',
  'catching-up',
  'backing-off',
  'stopping',
  'stopped',
  'failed',
];
const SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];
const BATCH_EVENTS = [1, 5, 10, 50, 100, 500, 1_000, 2_000, 5_000, 10_000];

/** Everything that `/metrics` shows. */
export interface MetricsRegistry {
  /** Where the engine reports what happens in a pipeline. */
  telemetryFor(pipeline: string): Telemetry;
  /** The exposition text: what was reported, and the present statuses as gauges and counters. */
  render(statuses: readonly PipelineStatus[]): Promise<string>;
  readonly contentType: string;
}

/** What the registry says about the program itself. */
export interface MetricsOptions {
  readonly version: string;
  /** Metrics of the process (memory, CPU, event loop) too; true by default. */
  readonly processMetrics?: boolean | undefined;
}

/** A metric as the reference page shows it. */
export interface MetricDescription {
  readonly name: string;
  readonly type: string;
  readonly help: string;
  readonly labels: readonly string[];
}

/** Makes a registry of its own; nothing global is touched. Labels are bounded: pipeline, state, code, kind, and the collections whose schema is learned. */
export function createMetrics(options: MetricsOptions): MetricsRegistry {
  return createIn(new Registry(), options);
}

/** Every metric of Sluice's own, without values. */
export function describeMetrics(): readonly MetricDescription[] {
  const registry = new Registry();
  createIn(registry, { version: '', processMetrics: false });
  return registry.getMetricsAsArray().map((metric) => {
    const { name, help, labelNames, type } = metric as typeof metric & { labelNames?: string[]; type: string };
    return { name, help, type: String(type), labels: labelNames ?? [] };
  });
}

function createIn(registry: Registry, options: MetricsOptions): MetricsRegistry {
  if (options.processMetrics ?? true) collectDefaultMetrics({ register: registry });
  const build = gauge(registry, 'sluice_build_info', 'Always 1; the label tells the version.', ['version']);
  build.set({ version: options.version }, 1);
  const reported = reportedMetrics(registry);
  const derived = derivedMetrics(registry);
  return {
    telemetryFor: (pipeline) => telemetry(reported, pipeline),
    async render(statuses) {
      for (const apply of derived) apply(statuses);
      return registry.metrics();
    },
    contentType: registry.contentType,
  };
}

type Labels = 'pipeline' | 'code' | 'state' | 'version';

function gauge(registry: Registry, name: string, help: string, labelNames: Labels[]): Gauge<Labels> {
  return new Gauge({ name, help, labelNames, registers: [registry] });
}

function reportedMetrics(registry: Registry) {
  const registers = [registry];
  const histogram = (name: string, help: string, buckets: number[]) =>
    new Histogram({ name, help, buckets, labelNames: ['pipeline'] as const, registers });
  const counter = (name: string, help: string) =>
    new Counter({ name, help, labelNames: ['pipeline', 'code'] as const, registers });
  return {
    batch: histogram('sluice_batch_size', 'Events per batch that the sink acknowledged.', BATCH_EVENTS),
    deliver: histogram(
      'sluice_deliver_duration_seconds',
      'Time from handing a batch to the sink to its acknowledgement.',
      SECONDS,
    ),
    latency: histogram(
      'sluice_acknowledgement_latency_seconds',
      'Time from the change at the source to its acknowledgement; one sample per batch, its oldest event.',
      SECONDS,
    ),
    checkpoint: histogram('sluice_checkpoint_duration_seconds', 'Time to make a checkpoint durable.', SECONDS),
    bytes: new Counter({
      name: 'sluice_bytes_delivered_total',
      help: 'Bytes of raw events in acknowledged batches.',
      labelNames: ['pipeline'] as const,
      registers,
    }),
    failures: counter('sluice_failures_total', 'Failed attempts by error code.'),
    deadLetters: counter('sluice_dead_letters_total', 'Dead-lettered events by error code.'),
    schemaChanges: new Counter({
      name: 'sluice_schema_changes_total',
      help: 'Changes of the schema after a collection was learned, by kind: field-added, type-added, collection-added.',
      labelNames: ['pipeline', 'collection', 'kind'] as const,
      registers,
    }),
  };
}

function telemetry(metrics: ReturnType<typeof reportedMetrics>, pipeline: string): Telemetry {
  const [size, deliver, latency, checkpoint] = [
    metrics.batch.labels({ pipeline }),
    metrics.deliver.labels({ pipeline }),
    metrics.latency.labels({ pipeline }),
    metrics.checkpoint.labels({ pipeline }),
  ];
  const bytesTotal = metrics.bytes.labels({ pipeline });
  return {
    batch(events, bytes, seconds) {
      size.observe(events);
      deliver.observe(seconds);
      bytesTotal.inc(bytes);
    },
    checkpoint: (seconds) => checkpoint.observe(seconds),
    latency: (seconds) => latency.observe(seconds),
    failure: (code) => metrics.failures.inc({ pipeline, code }),
    deadLetter: (code) => metrics.deadLetters.inc({ pipeline, code }),
    schemaChange: (collection, kind) => metrics.schemaChanges.inc({ pipeline, collection, kind }),
  };
}

/** Metrics whose values are in the statuses; set anew at every scrape, unknown values are left out. */
function derivedMetrics(registry: Registry): readonly ((statuses: readonly PipelineStatus[]) => void)[] {
  const state = gauge(registry, 'sluice_pipeline_state', '1 for the state that the pipeline is in.', [
    'pipeline',
    'state',
  ]);
  const applyState = (statuses: readonly PipelineStatus[]) => {
    state.reset();
    for (const status of statuses)
      for (const name of STATES) state.set({ pipeline: status.name, state: name }, status.state === name ? 1 : 0);
  };
  const fromStatus = PIPELINE_METRICS.map((metric) => {
    const options = { name: metric.name, help: metric.help, labelNames: ['pipeline'] as const, registers: [registry] };
    // Counters come as totals here, so they are set after a reset instead of being added to.
    const series = metric.type === 'counter' ? new Counter(options) : new Gauge(options);
    return (statuses: readonly PipelineStatus[]) => {
      series.reset();
      for (const status of statuses) {
        const value = metric.value(status, Date.now());
        if (value !== undefined) series.inc({ pipeline: status.name }, value);
      }
    };
  });
  return [applyState, ...fromStatus];
}
