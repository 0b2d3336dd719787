import type { PipelineStatus } from '../core/status.ts';
import type { PipelineDefinition } from './pipeline-definition.ts';
import type { Progress } from './progress.ts';

/** Above this lag a running pipeline is shown as catching up (ms). */
const CATCHING_UP_ABOVE_MS = 10_000;

/** What the supervisor knows about a pipeline. */
export type Supervision = Pick<
  PipelineStatus,
  'state' | 'sinceMs' | 'error' | 'retries' | 'nextTryAtMs' | 'troubledSinceMs' | 'lease'
>;

/** The status of a pipeline. While another process owns it, what depends on the position is that one's to say. */
export function pipelineStatus(
  { name, partition, sourceName, sinkName, delivery, settings }: PipelineDefinition,
  progress: Progress,
  {
    nowMs,
    state,
    sinceMs,
    error,
    retries,
    nextTryAtMs,
    troubledSinceMs,
    lease,
  }: Supervision & { readonly nowMs: number },
): PipelineStatus {
  const { window } = progress;
  const place = state === 'standby' ? NOWHERE : placeOf(progress, nowMs);
  const catchingUp = state === 'running' && (place.lagMs ?? 0) > CATCHING_UP_ABOVE_MS;
  return {
    name,
    source: sourceName,
    sink: sinkName,
    delivery,
    state: catchingUp ? 'catching-up' : state,
    sinceMs,
    error,
    retries,
    nextTryAtMs,
    troubledSinceMs,
    partition,
    epoch: progress.epoch,
    lease,
    ...place,
    lagEvents: progress.outstanding,
    inFlightBytes: progress.inFlightBytes,
    counts: progress.counts,
    eventsPerSecond: progress.eventsPerSecond(nowMs),
    lastEventAtMs: progress.lastEventAtMs,
    lastProgressAtMs: progress.lastProgressAtMs,
    stalled: progress.stalled(nowMs, settings.stallAfterMs),
    windowSeconds: window && window.newest.t - window.oldest.t,
    gap: progress.gap,
    sourceOffsets: progress.offsets.source,
    sinkOffsets: progress.offsets.sink,
  };
}

/** What follows from the position, which only the owner of the pipeline knows. */
type Place = Pick<
  PipelineStatus,
  'acknowledged' | 'checkpoint' | 'checkpointAtMs' | 'lagMs' | 'headroomSeconds' | 'snapshot'
>;

const NOWHERE: Place = {
  acknowledged: undefined,
  checkpoint: undefined,
  checkpointAtMs: undefined,
  lagMs: undefined,
  headroomSeconds: undefined,
  snapshot: undefined,
};

function placeOf(progress: Progress, nowMs: number): Place {
  const { window, floor, checkpoint, checkpointAtMs } = progress;
  return {
    acknowledged: floor?.clusterTime,
    checkpoint,
    checkpointAtMs,
    lagMs: progress.lagMs(nowMs),
    headroomSeconds: window && floor && Math.max(0, floor.clusterTime.t - window.oldest.t),
    snapshot: progress.snapshot(nowMs),
  };
}
