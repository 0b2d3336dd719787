import type { CollectionSnapshotStatus, SnapshotReason, SnapshotStatus } from '../core/snapshot.ts';
import type { PipelineStatus } from '../core/status.ts';
import { humanCount, humanSpan, humanTime } from './human.ts';
import { headroomText } from './pipeline-line.ts';
import { renderTable } from './table.ts';
import type { Style } from './terminal.ts';

type Paint = (style: Style, text: string) => string;

const REASONS: Readonly<Record<SnapshotReason, string>> = {
  initial: 'initial snapshot',
  'new-collections': 'snapshot of new collections',
  'on-demand': 'snapshot on demand',
  'position-lost': 'snapshot after a lost position',
};

const WAITS: Readonly<Record<NonNullable<SnapshotStatus['waitsFor']>, string>> = {
  stream: 'waiting until the stream has caught up',
  replication: 'waiting until the replica set has caught up',
  'rate-limit': 'copying at the rate limit',
};

/** True while there is something left to copy. */
export function isUnfinished({ state }: SnapshotStatus): boolean {
  return state === 'copying' || state === 'paused';
}

/**
 * A snapshot in one line: `initial snapshot copying  43 %  430,000 of about 1,000,000 rows  2 of 5 collections
 * 12,345 rows/s  46 s left  oplog left 23 h`. An ended one: `initial snapshot completed 3 min ago, 1,000,000 rows copied`.
 */
export function snapshotLine(status: PipelineStatus, paint: Paint, nowMs: number): string {
  const { snapshot } = status;
  if (snapshot === undefined) return '';
  const reason = REASONS[snapshot.reason];
  if (!isUnfinished(snapshot)) return `${reason} ${endedText(snapshot, nowMs)}`;
  const { rowsPerSecond, etaSeconds, state } = snapshot;
  const moving = state === 'copying';
  const parts = [
    `${reason} ${doingText(snapshot, paint)}`,
    percentText(snapshot),
    rowsText(snapshot),
    collectionsText(snapshot),
    moving ? `${humanCount(rowsPerSecond)} rows/s` : '',
    moving && etaSeconds !== undefined ? `${humanSpan(etaSeconds * 1000)} left` : '',
    `oplog left ${headroomText(status)}`,
  ];
  return parts.filter((part) => part !== '').join('  ');
}

/** The collections that are not copied yet, those begun first: at most `limit` lines, then how many more there are. */
export function collectionLines({ collections }: SnapshotStatus, limit: number): readonly string[] {
  const unfinished = collections
    .filter(({ state }) => state !== 'completed')
    .toSorted((a, b) => Number(a.state === 'pending') - Number(b.state === 'pending'));
  const shown = unfinished.slice(0, limit);
  if (shown.length === 0) return [];
  const more = unfinished.length - shown.length;
  const table = renderTable([{ title: '' }, { title: '', align: 'right' }, { title: '' }], shown.map(collectionRow));
  const lines = table.trimEnd().split('\n').slice(1);
  return more === 0 ? lines : [...lines, `and ${humanCount(more)} more`];
}

/** `1,000,000 rows copied`, and how far that is when not all are. */
export function copiedText(snapshot: SnapshotStatus): string {
  const { state, collections } = snapshot;
  const rows = `${humanCount(snapshot.rows)} rows copied`;
  if (state === 'completed') return `${rows} of ${countOf(collections.length)}`;
  const cancelled = snapshot.error === undefined ? 'snapshot cancelled' : `snapshot cancelled, ${snapshot.error}`;
  const far = isUnfinished(snapshot) ? 'snapshot not finished' : cancelled;
  return `${rows}, ${far} (${[percentText(snapshot), collectionsText(snapshot)].filter((part) => part !== '').join(', ')})`;
}

/** What was skipped because the source no longer had it; empty when nothing was. */
export function gapText({ gap }: PipelineStatus): string {
  if (gap === undefined) return '';
  const at = (seconds: number) => humanTime(seconds * 1000);
  return `changes from ${at(gap.from.t)} to ${at(gap.to.t)} were skipped at ${humanTime(gap.atMs)} and are not delivered`;
}

function endedText(snapshot: SnapshotStatus, nowMs: number): string {
  const { state, endedAtMs, startedAtMs } = snapshot;
  if (endedAtMs === undefined) return `${state}, ${copiedText(snapshot)}`;
  const ago = humanSpan(Math.max(0, nowMs - endedAtMs));
  return `${state} ${ago} ago after ${humanSpan(Math.max(0, endedAtMs - startedAtMs))}, ${copiedText(snapshot)}`;
}

function doingText({ state, waitsFor }: SnapshotStatus, paint: Paint): string {
  if (state === 'paused') return paint('yellow', 'paused');
  if (waitsFor === undefined) return paint('green', 'copying');
  return paint(waitsFor === 'rate-limit' ? 'green' : 'yellow', WAITS[waitsFor]);
}

function percentText({ percent }: SnapshotStatus): string {
  return percent === undefined ? '' : `${Math.floor(percent)} %`;
}

function rowsText({ rows, estimatedRows }: Pick<SnapshotStatus, 'rows' | 'estimatedRows'>): string {
  return estimatedRows === undefined
    ? `${humanCount(rows)} rows`
    : `${humanCount(rows)} of about ${humanCount(Math.max(rows, estimatedRows))} rows`;
}

function collectionsText({ collections }: SnapshotStatus): string {
  const done = collections.filter(({ state }) => state === 'completed').length;
  return `${humanCount(done)} of ${countOf(collections.length)}`;
}

function countOf(collections: number): string {
  return `${humanCount(collections)} ${collections === 1 ? 'collection' : 'collections'}`;
}

function collectionRow(collection: CollectionSnapshotStatus): readonly string[] {
  const { namespace, state, percent } = collection;
  if (state === 'pending') return [namespace, '', `pending, ${pendingText(collection)}`];
  return [namespace, percent === undefined ? '?' : `${Math.floor(percent)} %`, rowsText(collection)];
}

function pendingText({ estimatedRows }: CollectionSnapshotStatus): string {
  return estimatedRows === undefined ? 'size unknown' : `about ${humanCount(estimatedRows)} rows`;
}
