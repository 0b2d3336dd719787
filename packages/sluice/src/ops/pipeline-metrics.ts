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
];
