import type { SnapshotStatus } from '../core/snapshot.ts';
import type { PipelineStatus } from '../core/status.ts';

/** A metric that is read off the status of a pipeline. */
export interface PipelineMetric {
  readonly name: string;
  readonly type: 'counter' | 'gauge';
  readonly help: string;
  /** Undefined when it is not known: then there is no sample. */
  value(status: PipelineStatus, nowMs: number): number | undefined;
}

const seconds = (ms: number | undefined) => (ms === undefined ? undefined : ms / 1000);

const SNAPSHOT_METRICS: readonly PipelineMetric[] = [
  {
    name: 'sluice_snapshot_running',
    type: 'gauge',
    help: '1 while documents are copied, also while the copy waits.',
    value: ({ snapshot }) => (snapshot?.state === 'copying' ? 1 : 0),
  },
  {
    name: 'sluice_snapshot_paused',
    type: 'gauge',
    help: '1 while a snapshot is paused.',
    value: ({ snapshot }) => (snapshot?.state === 'paused' ? 1 : 0),
  },
  {
    name: 'sluice_snapshot_rows_total',
    type: 'counter',
    help: 'Documents that the present or last snapshot has handed on; begins at 0 with each one, goes on after a restart.',
    value: ({ snapshot }) => snapshot?.rows,
  },
  {
    name: 'sluice_snapshot_estimated_rows',
    type: 'gauge',
    help: 'Documents that the present or last snapshot has in all, by the metadata of the collections.',
    value: ({ snapshot }) => snapshot?.estimatedRows,
  },
  {
    name: 'sluice_snapshot_rows_per_second',
    type: 'gauge',
    help: 'Documents copied per second, over the last ten seconds.',
    value: ({ snapshot }) => snapshot?.rowsPerSecond,
  },
  {
    name: 'sluice_snapshot_eta_seconds',
    type: 'gauge',
    help: 'Time until the snapshot is complete, at its present rate.',
    value: ({ snapshot }) => snapshot?.etaSeconds,
  },
  {
    name: 'sluice_snapshot_collections_pending',
    type: 'gauge',
    help: 'Collections of the present snapshot that are not copied completely.',
    value: ({ snapshot }) => snapshot && pendingCollections(snapshot),
  },
  {
    name: 'sluice_gap_timestamp_seconds',
    type: 'gauge',
    help: 'When changes that the source no longer had were last given up, in seconds since 1970.',
    value: ({ gap }) => seconds(gap?.atMs),
  },
  {
    name: 'sluice_gap_seconds',
    type: 'gauge',
    help: 'Span of cluster time that the last such gap covers.',
    value: ({ gap }) => gap && gap.to.t - gap.from.t,
  },
];

function pendingCollections({ state, collections }: SnapshotStatus): number {
  if (state === 'completed' || state === 'cancelled') return 0;
  return collections.filter((collection) => collection.state !== 'completed').length;
}

/** All metrics with the single label `pipeline` that come from the status. */
export const PIPELINE_METRICS: readonly PipelineMetric[] = [
  {
    name: 'sluice_events_read_total',
    type: 'counter',
    help: 'Events read from the source: delivered + filtered + dead-lettered + reread + in flight.',
    value: ({ counts }) => counts.read + counts.reread,
  },
  {
    name: 'sluice_events_reread_total',
    type: 'counter',
    help: 'Events that a failed attempt gave back, to be read again.',
    value: ({ counts }) => counts.reread,
  },
  {
    name: 'sluice_events_delivered_total',
    type: 'counter',
    help: 'Events that the sink acknowledged.',
    value: ({ counts }) => counts.delivered,
  },
  {
    name: 'sluice_events_filtered_total',
    type: 'counter',
    help: 'Events that have no form in the sink or were dropped on purpose.',
    value: ({ counts }) => counts.filtered,
  },
  {
    name: 'sluice_events_dead_lettered_total',
    type: 'counter',
    help: 'Events that were put into the dead letters.',
    value: ({ counts }) => counts.deadLettered,
  },
  {
    name: 'sluice_lag_seconds',
    type: 'gauge',
    help: 'Age of the oldest change that is not acknowledged; 0 when caught up.',
    value: ({ lagMs }) => seconds(lagMs),
  },
  {
    name: 'sluice_lag_events',
    type: 'gauge',
    help: 'Events read and not yet acknowledged. What the server has not sent yet is not counted.',
    value: ({ lagEvents }) => lagEvents,
  },
  {
    name: 'sluice_in_flight_bytes',
    type: 'gauge',
    help: 'Bytes of raw events between reading and acknowledgement.',
    value: ({ inFlightBytes }) => inFlightBytes,
  },
  {
    name: 'sluice_oplog_headroom_seconds',
    type: 'gauge',
    help: 'Span between the oldest entry of the oplog and the acknowledged position: at 0 the position is lost.',
    value: ({ headroomSeconds }) => headroomSeconds,
  },
  {
    name: 'sluice_oplog_window_seconds',
    type: 'gauge',
    help: 'Span of the oplog.',
    value: ({ windowSeconds }) => windowSeconds,
  },
  {
    name: 'sluice_checkpoint_age_seconds',
    type: 'gauge',
    help: 'Time since the last durable checkpoint.',
    value: ({ checkpointAtMs }, nowMs) => (checkpointAtMs === undefined ? undefined : (nowMs - checkpointAtMs) / 1000),
  },
  {
    name: 'sluice_acknowledged_timestamp_seconds',
    type: 'gauge',
    help: 'Cluster time of the acknowledged position, in seconds since 1970.',
    value: ({ acknowledged }) => acknowledged?.t,
  },
  {
    name: 'sluice_last_event_timestamp_seconds',
    type: 'gauge',
    help: 'When the last event was read, in seconds since 1970.',
    value: ({ lastEventAtMs }) => seconds(lastEventAtMs),
  },
  {
    name: 'sluice_last_progress_timestamp_seconds',
    type: 'gauge',
    help: 'When the source last replied or the sink last acknowledged, in seconds since 1970.',
    value: ({ lastProgressAtMs }) => seconds(lastProgressAtMs),
  },
  {
    name: 'sluice_stalled',
    type: 'gauge',
    help: '1 when nothing moved for longer than `stallAfter` although it should have.',
    value: ({ stalled }) => (stalled ? 1 : 0),
  },
  {
    name: 'sluice_retries',
    type: 'gauge',
    help: 'Failed attempts in a row.',
    value: ({ retries }) => retries,
  },
  {
    name: 'sluice_lease_owned',
    type: 'gauge',
    help: '1 while this process owns the pipeline, 0 while another one does or nobody; only with a lease.',
    value: ({ lease }) => lease && (lease.owned ? 1 : 0),
  },
  {
    name: 'sluice_lease_epoch',
    type: 'gauge',
    help: 'Number of times that the lease was taken, as far as this process knows.',
    value: ({ lease }) => lease?.epoch,
  },
  ...SNAPSHOT_METRICS,
];
