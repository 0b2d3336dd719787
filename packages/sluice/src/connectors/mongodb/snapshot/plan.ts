import { EJSON } from 'bson';
import { formatNamespace } from '../../../core/change-event.ts';
import type { ClusterTime } from '../../../core/cluster-time.ts';
import type { SnapshotReason } from '../../../core/snapshot.ts';
import type { SourceGap } from '../../../core/source.ts';
import type { SnapshotSettings } from '../snapshot-config.ts';
import { timeBefore } from './anchor.ts';
import type { CatalogEntry } from './catalog.ts';
import {
  type CollectionCopy,
  changeState,
  coveredWith,
  EMPTY_COPY,
  isCopied,
  type SnapshotRun,
  type SnapshotState,
} from './snapshot-state.ts';

/** A collection that there is, with an estimate of its size. */
export interface Listed extends CatalogEntry {
  readonly estimatedRows: number | undefined;
}

/** What is decided from when a stream has begun. */
export interface Situation {
  readonly mode: SnapshotSettings['mode'];
  readonly state: SnapshotState;
  /** Where the stream continued: not at all, or with the same or another selection of collections. */
  readonly resumed: 'not' | 'same-selection' | 'other-selection';
  readonly collections: readonly Listed[];
  /** The query of a collection, in canonical Extended JSON. */
  readonly matchOf: (namespace: string) => string | undefined;
  /** Time of the stream's position. */
  readonly now: ClusterTime;
  readonly nowMs: number;
}

/** What is to be copied from the start on: the state to begin with. */
export function planStart(situation: Situation): SnapshotState {
  const { mode, state, resumed } = situation;
  if (resumed === 'not') {
    if (mode === 'never') return state;
    return changeState(state, { run: newRun(situation, 'initial', 'hold', situation.collections) });
  }
  if (state.revision === 0 && mode === 'never') return state;
  const kept = withConfiguredQueries(situation, withoutUnwanted(situation));
  const known = resumed === 'same-selection' || state.revision === 0;
  return withUnknown(situation, kept, mode === 'never' || known);
}

/** Everything is copied anew beside the stream, which has lost changes. */
export function planRecovery(situation: Situation): SnapshotState {
  const { state } = situation;
  const run = newRun(situation, 'position-lost', 'pass', situation.collections);
  return changeState(state, { run, covered: new Map(), losses: state.losses + 1 });
}

/** A copy that somebody asked for. */
export function planOnDemand(situation: Situation): SnapshotState {
  const { state } = situation;
  return changeState(state, { run: newRun(situation, 'on-demand', 'pass', situation.collections) });
}

/** A run that somebody gave up. */
export interface Cancelled {
  readonly state: SnapshotState;
  /** Changes were held back for rows that will not come now. */
  readonly gap: SourceGap | undefined;
}

/**
 * The end of a run before its time. A copy that was asked for leaves alone what is copied for another reason beside it.
 * What was to be copied is covered from now on, so that it is not begun again by itself.
 */
export function planCancel(state: SnapshotState, now: ClusterTime, nowMs: number): Cancelled {
  const { run, covered } = state;
  if (run === undefined) return { state, gap: undefined };
  const held = [...run.collections].filter(([, copy]) => copy.mode === 'hold' && !isCopied(copy));
  if (run.reason === 'on-demand' && held.length > 0) {
    const rest: SnapshotRun = { ...run, reason: 'new-collections', paused: false, collections: new Map(held) };
    return { state: changeState(state, { run: rest }), gap: undefined };
  }
  const gap = held.length === 0 ? undefined : { from: run.since, to: now, atMs: nowMs };
  const ended = { run: undefined, covered: coveredWith(covered, run), ...(gap === undefined ? {} : { gap }) };
  return { state: changeState(state, ended), gap };
}

/**
 * The copy of a collection from its beginning. With a query all changes pass: no row will have the effect of those of a
 * document that the query leaves out.
 */
export function copyOf(listed: Listed, mode: CollectionCopy['mode'], match: string | undefined): CollectionCopy {
  const { db, coll, uuid, collation, kind, estimatedRows } = listed;
  return {
    ...EMPTY_COPY,
    namespace: { db, coll },
    uuid,
    collation: collation && EJSON.stringify(collation, { relaxed: false }),
    clustered: kind === 'clustered',
    mode: match === undefined ? mode : 'pass',
    match,
    estimatedRows,
  };
}

function newRun(
  { matchOf, now, nowMs }: Situation,
  reason: SnapshotReason,
  mode: CollectionCopy['mode'],
  listed: readonly Listed[],
): SnapshotRun {
  const copies = listed.map((one) => {
    const namespace = formatNamespace(one);
    return [namespace, copyOf(one, mode, matchOf(namespace))] as const;
  });
  // Where the stream has yet to reach its position's time, the first rows are read at the time before it.
  return { reason, startedAtMs: nowMs, since: timeBefore(now), paused: false, collections: new Map(copies) };
}

/** With another selection, what it leaves out is forgotten; an automatic copy ends when the configuration says never. */
function withoutUnwanted({ mode, state, resumed, collections, now, nowMs }: Situation): SnapshotState {
  const automatic = state.run?.reason === 'initial' || state.run?.reason === 'new-collections';
  const kept = mode === 'never' && automatic ? planCancel(state, now, nowMs).state : state;
  const { run, covered } = kept;
  if (resumed !== 'other-selection') return kept;
  const names = new Set(collections.map(formatNamespace));
  const isSelected = ([namespace]: readonly [string, unknown]) => names.has(namespace);
  if ([...covered].every(isSelected) && (run === undefined || [...run.collections].every(isSelected))) return kept;
  return changeState(kept, {
    covered: new Map([...covered].filter(isSelected)),
    run: run && { ...run, collections: new Map([...run.collections].filter(isSelected)) },
  });
}

/** The queries of the configuration hold, also those that were corrected since the copy began. */
function withConfiguredQueries({ matchOf }: Situation, state: SnapshotState): SnapshotState {
  const { run } = state;
  if (run === undefined || run.reason === 'on-demand') return state;
  const changed = [...run.collections].filter(([namespace, { match }]) => match !== matchOf(namespace));
  if (changed.length === 0) return state;
  const collections = new Map(run.collections);
  for (const [namespace, copy] of changed) {
    const match = matchOf(namespace);
    collections.set(namespace, { ...copy, match, mode: match === undefined ? copy.mode : 'pass' });
  }
  return changeState(state, { run: { ...run, collections } });
}

/**
 * Collections that the state does not know. With the same selection as before they were born in the stream, so nothing
 * of them is missing; with another one they are copied.
 */
function withUnknown(situation: Situation, state: SnapshotState, born: boolean): SnapshotState {
  const { covered, run } = state;
  const unknown = situation.collections.filter((listed) => {
    const namespace = formatNamespace(listed);
    return !covered.has(namespace) && run?.collections.has(namespace) !== true;
  });
  if (unknown.length === 0) return state;
  if (born) {
    const all = new Map(covered);
    for (const listed of unknown) all.set(formatNamespace(listed), listed.uuid ?? '');
    return changeState(state, { covered: all });
  }
  const added = newRun(situation, 'new-collections', 'hold', unknown);
  const collections = new Map([...(run?.collections ?? []), ...added.collections]);
  // A run that somebody has paused must not hold back what nobody asked for.
  return changeState(state, { run: { ...(run ?? added), paused: false, collections } });
}

/** Whether a run has something left to do. */
export function hasWork(run: SnapshotRun | undefined): boolean {
  return run !== undefined && [...run.collections.values()].some((copy) => !isCopied(copy));
}
