import type { PipelineStatus } from '../core/status.ts';
import { humanCount, humanSpan } from './human.ts';
import type { Style } from './terminal.ts';

type Paint = (style: Style, text: string) => string;

const STATE_STYLES: Readonly<Record<PipelineStatus['state'], Style>> = {
  starting: 'gray',
  standby: 'gray',
  running: 'green',
  'catching-up': 'yellow',
  'backing-off': 'red',
  stopping: 'yellow',
  stopped: 'gray',
  failed: 'red',
};

/** The state in its colour; a running pipeline that makes no progress is called stalled. */
export function stateText({ state, stalled }: PipelineStatus, paint: Paint): string {
  if (stalled && (state === 'running' || state === 'catching-up')) return paint('red', 'stalled');
  return paint(STATE_STYLES[state], state);
}

/** One pipeline in one line: `orders running  1,234/s  lag 120 ms  oplog left 3 d 4 h`. */
export function pipelineLine(status: PipelineStatus, paint: Paint, nowMs: number): string {
  if (status.state === 'standby')
    return `${paint('bold', status.name)} ${stateText(status, paint)}  owned by ${ownerText(status)}`;
  const parts = [
    `${paint('bold', status.name)} ${stateText(status, paint)}`,
    `${humanCount(status.eventsPerSecond)}/s`,
    `lag ${lagText(status)}`,
    `${humanCount(status.counts.delivered)} delivered`,
  ];
  if (status.counts.deadLettered > 0)
    parts.push(paint('yellow', `${humanCount(status.counts.deadLettered)} dead letters`));
  parts.push(`oplog left ${headroomText(status)}`);
  const error = errorText(status, nowMs);
  return error === '' ? parts.join('  ') : `${parts.join('  ')}  ${paint('red', error)}`;
}

/** Who owns the pipeline: this process or the name of another; `-` when nobody is known to. */
export function ownerText({ lease }: PipelineStatus): string {
  return lease?.owned === true ? 'here' : (lease?.owner ?? '-');
}

/** The time part of the lag, or `?` before the source has answered once. */
export function lagText({ lagMs }: PipelineStatus): string {
  return lagMs === undefined ? '?' : humanSpan(lagMs);
}

/** How long the acknowledged position is still safe in the source's log, or `?`. */
export function headroomText({ headroomSeconds }: PipelineStatus): string {
  return headroomSeconds === undefined ? '?' : humanSpan(headroomSeconds * 1000);
}

/** What is wrong at present, with the next try; empty when nothing is. */
export function errorText({ state, error, retries, nextTryAtMs }: PipelineStatus, nowMs: number): string {
  if (error === undefined || (state !== 'failed' && state !== 'backing-off' && retries === 0)) return '';
  const next = nextTryAtMs === undefined ? '' : `; next try in ${humanSpan(Math.max(0, nextTryAtMs - nowMs))}`;
  const failures = retries > 1 ? ` (${retries} failures in a row)` : '';
  return `${error.message} (${error.code})${failures}${next}`;
}

/** The same facts as fields of a log line. */
export function statusFields(status: PipelineStatus): object {
  const { name, state, stalled, eventsPerSecond, lagMs, lagEvents, headroomSeconds, counts, lease } = status;
  const { delivered, deadLettered } = counts;
  const rate = Math.round(eventsPerSecond);
  return {
    pipeline: name,
    state,
    stalled,
    eventsPerSecond: rate,
    lagMs,
    lagEvents,
    delivered,
    deadLettered,
    headroomSeconds,
    owner: lease?.owner,
  };
}
