import type { PipelineStatus } from '../core/status.ts';

/** A pipeline may be backing off for this long before the process counts as not ready (ms). */
export const BACKOFF_GRACE_MS = 10_000;

/** Whether one pipeline does its work, and if not, why. */
export interface PipelineReadiness {
  readonly pipeline: string;
  readonly ready: boolean;
  /** Empty when ready. */
  readonly reason: string;
  /** True while another process owns the pipeline and this one waits. */
  readonly standby?: boolean;
  /** Who owns it; only with a lease, and once it is known. */
  readonly owner?: string;
}

/** The decision about one pipeline at the moment `nowMs`. */
export function pipelineReadiness(status: PipelineStatus, nowMs: number): PipelineReadiness {
  const reason = whyNot(status, nowMs);
  return { pipeline: status.name, ready: reason === '', reason, ...ownership(status) };
}

/** Part of the answers about a pipeline that several processes could run. */
export function ownership({ state, lease }: PipelineStatus): Pick<PipelineReadiness, 'standby' | 'owner'> {
  if (lease === undefined) return {};
  return { standby: state === 'standby', ...(lease.owner === undefined ? {} : { owner: lease.owner }) };
}

function whyNot(status: PipelineStatus, nowMs: number): string {
  const error = status.error === undefined ? '' : `: ${status.error.message} (${status.error.code})`;
  switch (status.state) {
    case 'failed':
      return `failed${error}`;
    case 'stopped':
      return isDone(status) ? '' : 'stopped';
    case 'stopping':
      return 'stopping';
    case 'starting':
      return status.retries > 0 ? troubledReason(status, nowMs, error) : 'starting';
    case 'backing-off':
      return troubledReason(status, nowMs, error);
    default:
      return status.stalled ? stalledReason(status, nowMs) : '';
  }
}

/**
 * The same while it waits and while it tries again, or the answer would change with every attempt. A source that replies
 * in each of them is no progress.
 */
function troubledReason(status: PipelineStatus, nowMs: number, error: string): string {
  const { retries, lastProgressAtMs, troubledSinceMs = 0 } = status;
  const forAMoment = lastProgressAtMs !== undefined && nowMs - troubledSinceMs <= BACKOFF_GRACE_MS;
  return forAMoment ? '' : `backing off, ${retries} failures in a row${error}`;
}

function stalledReason(status: PipelineStatus, nowMs: number): string {
  const seconds = (ms: number) => `${Math.round(ms / 1000)} s`;
  if (status.lagEvents === 0)
    return `stalled: no reply of the source for ${seconds(nowMs - (status.lastProgressAtMs ?? nowMs))}`;
  return `stalled: the sink has not acknowledged ${status.lagEvents} events; the oldest is ${seconds(status.lagMs ?? 0)} old`;
}

/** It has ended because everything was copied that it is there for (`snapshot: only`). */
function isDone({ error, snapshot }: PipelineStatus): boolean {
  return error === undefined && snapshot?.state === 'completed';
}
