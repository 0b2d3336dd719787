import { randomUUID } from 'node:crypto';
import { mongodbSourceConfig } from '../src/connectors/mongodb/config.ts';
import { openMongodbSource } from '../src/connectors/mongodb/source.ts';
import type { ChangeEvent } from '../src/core/change-event.ts';
import type { OnPositionLost } from '../src/core/connector.ts';
import type { Envelope } from '../src/core/envelope.ts';
import { type Logger, silentLogger } from '../src/core/logger.ts';
import type { Sink } from '../src/core/sink.ts';
import type { PipelineStatus } from '../src/core/status.ts';
import { noTelemetry } from '../src/core/telemetry.ts';
import { createPipeline, type Pipeline } from '../src/engine/pipeline.ts';
import { orderingKey } from '../src/testing/events.ts';
import { checkpointPlace, memoryCheckpointStore } from '../src/testing/memory-stores.ts';
import { waitFor } from '../src/testing/wait-for.ts';

/** What a test wants of its pipeline. */
export interface StreamBedOptions {
  readonly mongo: string;
  readonly db: string;
  readonly source?: object;
  readonly onPositionLost?: OnPositionLost;
  readonly inFlightBytes?: number;
  /** Given each event in its order, once per delivery. */
  readonly take: (event: ChangeEvent) => void;
  /** Called before a batch is taken; may wait. */
  readonly before?: (batch: readonly Envelope[]) => void | Promise<void>;
  /** Called when the source is opened: what follows may repeat what was not acknowledged. */
  readonly restarted?: () => void;
}

/** A pipeline that runs in this process. Disposing it drops what is in flight, as a crash does. */
export interface RunningPipeline extends AsyncDisposable {
  readonly pipeline: Pipeline;
  /** With the last status, however it ended. */
  readonly ended: Promise<PipelineStatus>;
  /** Delivers what is in flight and ends. */
  stop(): Promise<PipelineStatus>;
  waitFor(condition: (status: PipelineStatus) => boolean, timeoutMs?: number): Promise<PipelineStatus>;
}

/** A pipeline from a database into this process that can be started again and again; its checkpoints stay. */
export interface StreamBed {
  /** Codes in what was logged. */
  readonly logged: readonly string[];
  start(changes?: Partial<StreamBedOptions>): RunningPipeline;
}

const SETTINGS = {
  intervalMs: 50,
  idleIntervalMs: 200,
  inFlightBytes: 8 * 1024 * 1024,
  stallAfterMs: 60_000,
  backoff: { minMs: 50, maxMs: 500 },
  drainTimeoutMs: 60_000,
};

/** Prepares the place for checkpoints; nothing runs yet. */
export function streamBed(options: StreamBedOptions): StreamBed {
  const place = checkpointPlace();
  const name = `bed-${randomUUID().slice(0, 8)}`;
  const logged: string[] = [];
  const logger = codeLogger(logged);
  return {
    logged,
    start(changes = {}) {
      const all = { ...options, ...changes };
      const definition = {
        name,
        partition: `${name}/0`,
        sourceName: 'mongodb',
        sinkName: 'memory',
        delivery: 'at-least-once',
        settings: { ...SETTINGS, inFlightBytes: all.inFlightBytes ?? SETTINGS.inFlightBytes },
        openSource: (signal: AbortSignal) => {
          all.restarted?.();
          const onPositionLost = all.onPositionLost ?? 'fail';
          const context = { pipeline: name, partition: `${name}/0`, logger, signal, onPositionLost };
          return openMongodbSource(configOf(all), context);
        },
        openSink: async () => sinkOf(all),
        openCheckpoints: async () => memoryCheckpointStore(place),
        orderingKey,
        describeKey: () => '',
      } as const;
      return run(createPipeline(definition, { logger: silentLogger, telemetry: noTelemetry }));
    },
  };
}

function configOf({ mongo: uri, db, source }: StreamBedOptions) {
  return mongodbSourceConfig.parse({ uri, include: [`${db}.*`], maxAwaitTime: '200ms', ...source });
}

function sinkOf({ take, before }: StreamBedOptions): Sink {
  return {
    limits: { records: 500, bytes: 1024 * 1024, batchesInFlight: 1 },
    async write(batch) {
      await before?.(batch);
      for (const { event } of batch) take(event);
      return { delivered: batch.length, filtered: 0 };
    },
    async [Symbol.asyncDispose]() {},
  };
}

function run(pipeline: Pipeline): RunningPipeline {
  const [stop, abort] = [new AbortController(), new AbortController()];
  const ended = pipeline.run({ stop: stop.signal, abort: abort.signal });
  return {
    pipeline,
    ended,
    stop() {
      stop.abort();
      return ended;
    },
    async waitFor(condition, timeoutMs = 120_000) {
      const holds = () => condition(pipeline.status());
      const isOver = () => holds() || ['failed', 'stopped'].includes(pipeline.status().state);
      const show = () => JSON.stringify(pipeline.status());
      await waitFor(isOver, { timeoutMs, message: 'the status is as expected' }).catch((cause: unknown) => {
        throw new Error(`the status is ${show()}`, { cause });
      });
      if (!holds()) throw new Error(`the pipeline ended: ${show()}`);
      return pipeline.status();
    },
    async [Symbol.asyncDispose]() {
      abort.abort();
      await ended;
    },
  };
}

function codeLogger(codes: string[]): Logger {
  const note = (fields: object) => {
    if ('code' in fields) codes.push(String(fields.code));
  };
  const logger: Logger = { debug: note, info: note, warn: note, error: note, child: () => logger };
  return logger;
}
