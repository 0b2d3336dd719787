import type { Epoch, PartitionId } from './checkpoint.ts';
import type { ClusterTime } from './cluster-time.ts';
import type { FailureKind } from './failure.ts';
import type { SnapshotStatus } from './snapshot.ts';
import type { PartOffset, SourceGap } from './source.ts';

/**
 * What a pipeline is doing. `standby` waits while another process owns it; `running` means caught up or nearly so;
 * `stopped` was asked for; `failed` needs a person.
 */
export type PipelineState =
  | 'starting'
  | 'standby'
  | 'running'
  | 'catching-up'
  | 'backing-off'
  | 'stopping'
  | 'stopped'
  | 'failed';

/** An error as it is shown: no stack, no secrets. */
export interface ErrorStatus {
  readonly kind: FailureKind;
  readonly code: string;
  readonly message: string;
  readonly hint: string | undefined;
  readonly atMs: number;
}

/** Where every event ended: read = delivered + filtered + deadLettered + what is in flight. */
export interface EventCounts {
  readonly read: number;
  readonly delivered: number;
  readonly filtered: number;
  readonly deadLettered: number;
  /** Events that a failed attempt gave back, to be read again; not part of `read`. */
  readonly reread: number;
}

/** Who owns a partition that several processes could run. */
export interface LeaseStatus {
  /** True when this process does. */
  readonly owned: boolean;
  /** The owner, as `host:process`; undefined while none is known. */
  readonly owner: string | undefined;
  /** Number of times that the lease was taken. */
  readonly epoch: Epoch | undefined;
  /** When the lease ends unless it is renewed. */
  readonly expiresAtMs: number | undefined;
}

/** One pipeline as the API, `sluice status` and the metrics show it. Times are ms since the epoch. */
export interface PipelineStatus {
  readonly name: string;
  readonly source: string;
  readonly sink: string;
  readonly delivery: 'at-least-once' | 'exactly-once';
  readonly state: PipelineState;
  readonly sinceMs: number;
  /** The last failure; stays visible while it is being retried and after it ended the pipeline. */
  readonly error: ErrorStatus | undefined;
  /** Failed attempts in a row, and when the next one starts. */
  readonly retries: number;
  readonly nextTryAtMs: number | undefined;
  /** When the first of these failures was; undefined without any. */
  readonly troubledSinceMs: number | undefined;
  readonly partition: PartitionId;
  readonly epoch: Epoch | undefined;
  /** Undefined when the pipeline runs without a lease. */
  readonly lease: LeaseStatus | undefined;
  /** Cluster time of the acknowledged floor. */
  readonly acknowledged: ClusterTime | undefined;
  /** Cluster time and moment of the last durable checkpoint. */
  readonly checkpoint: ClusterTime | undefined;
  readonly checkpointAtMs: number | undefined;
  /**
   * Age of the oldest change that is not acknowledged, in ms; 0 when caught up. While no attempt runs, the age of the
   * acknowledged position: at most that. Undefined when it cannot be known, and on standby: the owner knows.
   */
  readonly lagMs: number | undefined;
  /** Events read and not yet acknowledged. What the server has not sent yet is not counted. */
  readonly lagEvents: number;
  readonly inFlightBytes: number;
  readonly counts: EventCounts;
  /** Events acknowledged per second over the last ten seconds. */
  readonly eventsPerSecond: number;
  readonly lastEventAtMs: number | undefined;
  /** Last moment something moved: a reply of the source or an acknowledgement of the sink. */
  readonly lastProgressAtMs: number | undefined;
  /** True when nothing moved for longer than the stall limit although it should have. */
  readonly stalled: boolean;
  /** Seconds until the acknowledged position would leave the source's log at worst; undefined when unknown. */
  readonly headroomSeconds: number | undefined;
  /** Span of the source's log in seconds; undefined when unknown. */
  readonly windowSeconds: number | undefined;
  /** The snapshot that runs, else the last one that this process knows of. */
  readonly snapshot: SnapshotStatus | undefined;
  /** Changes that were skipped because the source no longer had them; the last such gap. */
  readonly gap: SourceGap | undefined;
  /** How far a source that reads a broker has come, by part; empty for others and while nothing is assigned. */
  readonly sourceOffsets: readonly PartOffset[];
  /** Where a sink that writes to a broker has come, for the parts that this process wrote to. */
  readonly sinkOffsets: readonly PartOffset[];
}
