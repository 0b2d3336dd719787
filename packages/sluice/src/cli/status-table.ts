import type { PipelineStatus } from '../core/status.ts';
import { humanBytes, humanCount, humanSpan } from './human.ts';
import { offsetLines } from './offsets-text.ts';
import { errorText, headroomText, lagText, ownerText, stateText } from './pipeline-line.ts';
import { collectionLines, gapText, isUnfinished, snapshotLine } from './snapshot-text.ts';
import { type Column, renderTable } from './table.ts';
import type { Style } from './terminal.ts';

/** How a table is drawn. */
export interface StatusTableOptions {
  readonly paint: (style: Style, text: string) => string;
  readonly nowMs: number;
}

const COLUMNS: readonly Column[] = [
  { title: 'PIPELINE' },
  { title: 'STATE' },
  { title: 'SINCE', align: 'right' },
  { title: 'RATE', align: 'right' },
  { title: 'LAG', align: 'right' },
  { title: 'IN FLIGHT', align: 'right' },
  { title: 'DELIVERED', align: 'right' },
  { title: 'DEAD LETTERS', align: 'right' },
  { title: 'CHECKPOINT', align: 'right' },
  { title: 'OPLOG LEFT', align: 'right' },
];

/** Only shown where there is a lease, behind the state. */
const OWNER_COLUMN: Column = { title: 'OWNER' };
const OWNER_AT = 2;

const COLLECTIONS_SHOWN = 10;
/** An ended snapshot is news for this long. */
const SHOW_ENDED_FOR_MS = 3_600_000;

/** The pipelines as a table, those in trouble first; below it what is wrong, what to do, and what is being copied. */
export function statusTable(statuses: readonly PipelineStatus[], { paint, nowMs }: StatusTableOptions): string {
  if (statuses.length === 0) return 'no pipelines\n';
  const ordered = statuses.toSorted((a, b) => trouble(b) - trouble(a) || a.name.localeCompare(b.name));
  const withOwner = ordered.some(({ lease }) => lease !== undefined);
  const table = renderTable(
    withOwner ? COLUMNS.toSpliced(OWNER_AT, 0, OWNER_COLUMN) : COLUMNS,
    ordered.map((status) => {
      const cells = row(status, paint, nowMs);
      return withOwner ? cells.toSpliced(OWNER_AT, 0, ownerText(status)) : cells;
    }),
  );
  const errors = ordered.flatMap((status) => {
    const error = errorText(status, nowMs);
    if (error === '') return [];
    const hint = status.error?.hint === undefined ? '' : `\n  ${paint('cyan', 'hint')}: ${status.error.hint}`;
    return [`${paint('red', status.name)}: ${error}${hint}\n`];
  });
  const snapshots = ordered.flatMap((status) => snapshotBlock(status, { paint, nowMs }));
  const offsets = ordered.flatMap((status) => {
    const lines = offsetLines(status);
    return lines.length === 0 ? [] : [`${paint('bold', status.name)}:\n`, ...lines.map((line) => `  ${line}\n`)];
  });
  const notes = [...errors, ...snapshots, ...offsets];
  return notes.length === 0 ? table : `${table}\n${notes.join('')}`;
}

/** A snapshot that is under way with what is left to copy, one that ended lately in one line; and any gap. */
function snapshotBlock(status: PipelineStatus, { paint, nowMs }: StatusTableOptions): readonly string[] {
  const { name, snapshot } = status;
  const gap = gapText(status);
  const lines = gap === '' ? [] : [`${paint('yellow', name)}: ${gap}\n`];
  if (snapshot === undefined) return lines;
  if (nowMs - (snapshot.endedAtMs ?? nowMs) > SHOW_ENDED_FOR_MS) return lines;
  const collections = isUnfinished(snapshot) ? collectionLines(snapshot, COLLECTIONS_SHOWN) : [];
  const line = `${paint('bold', name)}: ${snapshotLine(status, paint, nowMs)}\n`;
  return [...lines, line, ...collections.map((collection) => `  ${collection}\n`)];
}

function trouble({ state, stalled }: PipelineStatus): number {
  if (state === 'failed') return 3;
  if (state === 'backing-off') return 2;
  return stalled ? 1 : 0;
}

function row(status: PipelineStatus, paint: StatusTableOptions['paint'], nowMs: number): readonly string[] {
  const { name, sinceMs, eventsPerSecond, inFlightBytes, counts, checkpointAtMs } = status;
  return [
    name,
    stateText(status, paint),
    humanSpan(Math.max(0, nowMs - sinceMs)),
    `${humanCount(eventsPerSecond)}/s`,
    lagText(status),
    humanBytes(inFlightBytes),
    humanCount(counts.delivered),
    counts.deadLettered > 0 ? paint('yellow', humanCount(counts.deadLettered)) : '0',
    checkpointAtMs === undefined ? '-' : `${humanSpan(Math.max(0, nowMs - checkpointAtMs))} ago`,
    headroomText(status),
  ];
}
