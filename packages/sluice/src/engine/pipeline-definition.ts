import type { ChangeEvent } from '../core/change-event.ts';
import type { CheckpointStore, PartitionId } from '../core/checkpoint.ts';
import type { Finding } from '../core/connector.ts';
import type { DeadLetterStore } from '../core/dead-letter.ts';
import type { Rejection, Sink } from '../core/sink.ts';
import type { Source } from '../core/source.ts';
import type { Transform } from '../core/transform.ts';
import type { BackoffSettings } from './backoff.ts';
import type { LeaseSettings } from './ownership.ts';

/** The knobs of the engine, all with defaults in the configuration. */
export interface PipelineSettings {
  /** Least time between two checkpoints while events flow, in ms. */
  readonly intervalMs: number;
  /** Least time between two checkpoints of a quiet stream, in ms. */
  readonly idleIntervalMs: number;
  /** Most bytes between reading and acknowledgement. */
  readonly inFlightBytes: number;
  /** Without any progress for this long, in ms, the pipeline counts as stalled. */
  readonly stallAfterMs: number;
  readonly backoff: BackoffSettings;
  /** How long a stop may wait for what is in flight, in ms. */
  readonly drainTimeoutMs: number;
}

/** A pipeline as the engine runs it: how to open its parts, freshly for every attempt. */
export interface PipelineDefinition {
  readonly name: string;
  readonly partition: PartitionId;
  /** For the status: the connector and what it reads or writes, without secrets. */
  readonly sourceName: string;
  readonly sinkName: string;
  readonly delivery: 'at-least-once' | 'exactly-once';
  readonly settings: PipelineSettings;
  /** Absent when no other process runs this pipeline. */
  readonly lease?: LeaseSettings | undefined;
  openSource(signal: AbortSignal): Promise<Source>;
  openSink(signal: AbortSignal): Promise<Sink>;
  /** The steps between source and sink, in their order; disposed after the attempt. */
  readonly openTransforms?: ((signal: AbortSignal) => Promise<readonly Transform[]>) | undefined;
  /** Lanes over which a sink that can write different keys at the same time is fed; its own choice when left out. */
  readonly concurrency?: number | undefined;
  /** Whether later changes of a document go on after one of it became a dead letter (default), or wait behind it. */
  readonly onDeadLetter?: 'continue' | 'park' | undefined;
  /** Absent when the sink or the source keeps checkpoints itself. */
  readonly openCheckpoints?: ((signal: AbortSignal) => Promise<CheckpointStore>) | undefined;
  readonly openDeadLetters?: ((signal: AbortSignal) => Promise<DeadLetterStore>) | undefined;
  /** Looks at the systems behind the parts; a process that waits for the lease does it once. */
  readonly check?: ((signal: AbortSignal) => Promise<readonly Finding[]>) | undefined;
  /** Equal for all events with the same document key; undefined when there is none or it cannot be read. Never throws. */
  orderingKey(event: ChangeEvent): string | undefined;
  /** The document key of a rejected event as readable text; must not throw. */
  describeKey(rejection: Rejection): string;
}
