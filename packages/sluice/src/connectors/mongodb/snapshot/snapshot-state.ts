import { decodeValue, encodeValue } from '../../../bson/value-text.ts';
import type { BsonValue, Namespace } from '../../../core/change-event.ts';
import type { ClusterTime } from '../../../core/cluster-time.ts';
import { SluiceError } from '../../../core/failure.ts';
import type { SourceState } from '../../../core/position.ts';
import type { SnapshotReason } from '../../../core/snapshot.ts';
import type { SourceGap } from '../../../core/source.ts';

/** A part of the `_id` index that has not been copied: behind `after`, up to and with `through`; open where undefined. */
export interface Interval {
  readonly after: BsonValue | undefined;
  readonly through: BsonValue | undefined;
}

/** A collection that is being copied. */
export interface CollectionCopy {
  readonly namespace: Namespace;
  /** Base64; undefined when the server does not tell. */
  readonly uuid: string | undefined;
  /**
   * `hold`: changes of documents that are not copied yet are dropped, because a later chunk has their effect.
   * `pass`: all changes pass; for collections that the sink already knows.
   */
  readonly mode: 'hold' | 'pass';
  /** The collation of its `_id` index in Extended JSON; undefined for the simple one. */
  readonly collation: string | undefined;
  /** Stored in the order of `_id`, without an index on it. */
  readonly clustered: boolean;
  /** Only these documents: a query in canonical Extended JSON. */
  readonly match: string | undefined;
  /** What is still to be copied; undefined while the collection has not been cut into ranges, which means all of it. */
  readonly remaining: readonly Interval[] | undefined;
  readonly rows: number;
  readonly bytes: number;
  readonly estimatedRows: number | undefined;
}

/** What a copy begins with. */
export const EMPTY_COPY = {
  uuid: undefined,
  collation: undefined,
  clustered: false,
  match: undefined,
  remaining: undefined,
  rows: 0,
  bytes: 0,
  estimatedRows: undefined,
} as const;

/** A snapshot that is not finished. */
export interface SnapshotRun {
  readonly reason: SnapshotReason;
  readonly startedAtMs: number;
  /** Cluster time before its first read: what the sink holds from before and does not get again is gone by now. */
  readonly since: ClusterTime;
  readonly paused: boolean;
  /** By `db.coll`. Finished ones stay, with nothing remaining, until all are finished. */
  readonly collections: ReadonlyMap<string, CollectionCopy>;
}

/** What the source remembers of snapshots at a position. Immutable. */
export interface SnapshotState {
  readonly revision: number;
  /** Collections of which nothing is missing (`db.coll` → UUID, empty when unknown): copied, or born in the stream. */
  readonly covered: ReadonlyMap<string, string>;
  readonly run: SnapshotRun | undefined;
  /** Times in a row that the position was lost before the copy that followed was finished. */
  readonly losses: number;
  readonly gap: SourceGap | undefined;
}

/** Nothing is known and nothing is copied. */
export const NO_SNAPSHOTS: SnapshotState = {
  revision: 0,
  covered: new Map(),
  run: undefined,
  losses: 0,
  gap: undefined,
};

/** The state with a part of it changed, as a later revision. */
export function changeState(state: SnapshotState, change: Partial<Omit<SnapshotState, 'revision'>>): SnapshotState {
  return { ...state, ...change, revision: state.revision + 1 };
}

/** The state with one collection of its run replaced, or removed where `copy` is undefined. */
export function changeCopy(state: SnapshotState, namespace: string, copy: CollectionCopy | undefined): SnapshotState {
  const { run } = state;
  if (run === undefined) return state;
  const collections = new Map(run.collections);
  if (copy === undefined) collections.delete(namespace);
  else collections.set(namespace, copy);
  return changeState(state, { run: { ...run, collections } });
}

/** True when nothing of the collection remains to be copied. */
export function isCopied(copy: CollectionCopy): boolean {
  return copy.remaining?.length === 0;
}

/** With its last collection a run is over, and what it copied is covered; the same state while it is not. */
export function withRunFinished(state: SnapshotState): SnapshotState {
  const { run, covered } = state;
  if (run === undefined || ![...run.collections.values()].every(isCopied)) return state;
  return changeState(state, { run: undefined, covered: coveredWith(covered, run), losses: 0 });
}

/** What is covered when a run is over: also its collections, unless somebody asked for some of their documents only. */
export function coveredWith(covered: SnapshotState['covered'], run: SnapshotRun): ReadonlyMap<string, string> {
  const all = new Map(covered);
  for (const [namespace, { uuid, match }] of run.collections) {
    if (run.reason !== 'on-demand' || match === undefined) all.set(namespace, uuid ?? '');
  }
  return all;
}

const FORMAT = 1;

const encoded = new WeakMap<SnapshotState, SourceState>();

/** The state as it goes into a checkpoint; its text is only made when a checkpoint is saved, and once. */
export function asSourceState(state: SnapshotState): SourceState {
  let known = encoded.get(state);
  if (known === undefined) {
    known = new EncodedState(state);
    encoded.set(state, known);
  }
  return known;
}

class EncodedState implements SourceState {
  readonly revision: number;
  readonly #state: SnapshotState;
  #text: string | undefined;

  constructor(state: SnapshotState) {
    this.revision = state.revision;
    this.#state = state;
  }

  get text(): string {
    this.#text ??= encodeState(this.#state);
    return this.#text;
  }
}

function encodeState({ covered, run, losses, gap }: SnapshotState): string {
  const body = {
    v: FORMAT,
    covered: Object.fromEntries(covered),
    ...(run === undefined ? {} : { run: encodeRun(run) }),
    ...(losses === 0 ? {} : { losses }),
    ...(gap === undefined ? {} : { gap: [gap.from.t, gap.from.i, gap.to.t, gap.to.i, gap.atMs] }),
  };
  return JSON.stringify(body);
}

function encodeRun({ reason, startedAtMs, since, paused, collections }: SnapshotRun) {
  return {
    reason,
    startedAtMs,
    since: [since.t, since.i],
    paused,
    collections: [...collections.values()].map(encodeCopy),
  };
}

function encodeCopy(copy: CollectionCopy) {
  const { namespace, uuid, mode, collation, clustered, match, remaining, rows, bytes, estimatedRows } = copy;
  const ranges = remaining?.map(({ after, through }) => [
    after === undefined ? null : encodeValue(after),
    through === undefined ? null : encodeValue(through),
  ]);
  const { db, coll } = namespace;
  return { db, coll, uuid, mode, collation, clustered, match, ranges, rows, bytes, estimatedRows };
}

type Encoded<T extends (...args: never[]) => unknown> = ReturnType<T>;

/**
 * The state that belongs to a position; `NO_SNAPSHOTS` with the position's revision when it has none. Throws `config`
 * when a newer version has written it.
 */
export function parseState(source: SourceState | undefined): SnapshotState {
  if (source === undefined) return NO_SNAPSHOTS;
  const body = JSON.parse(source.text) as {
    readonly v: number;
    readonly covered: Record<string, string>;
    readonly run?: Encoded<typeof encodeRun>;
    readonly losses?: number;
    readonly gap?: readonly [number, number, number, number, number];
  };
  if (body.v > FORMAT) throw newerState(body.v);
  const { gap } = body;
  return {
    revision: source.revision,
    covered: new Map(Object.entries(body.covered)),
    run: body.run === undefined ? undefined : decodeRun(body.run),
    losses: body.losses ?? 0,
    gap: gap && { from: { t: gap[0], i: gap[1] }, to: { t: gap[2], i: gap[3] }, atMs: gap[4] },
  };
}

function decodeRun({ reason, startedAtMs, since, paused, collections }: Encoded<typeof encodeRun>): SnapshotRun {
  const [t = 0, i = 0] = since;
  const copies = collections.map(decodeCopy);
  return {
    reason,
    startedAtMs,
    since: { t, i },
    paused,
    collections: new Map(copies.map((copy) => [`${copy.namespace.db}.${copy.namespace.coll}`, copy])),
  };
}

function decodeCopy({ db, coll, ranges, ...rest }: Encoded<typeof encodeCopy>): CollectionCopy {
  const remaining = ranges?.map(([after, through]) => ({
    after: typeof after === 'string' ? decodeValue(after) : undefined,
    through: typeof through === 'string' ? decodeValue(through) : undefined,
  }));
  return { ...EMPTY_COPY, ...rest, namespace: { db, coll }, remaining };
}

function newerState(version: number): SluiceError {
  return new SluiceError(`the progress of the snapshot was written by a newer version (format ${version})`, {
    kind: 'config',
    code: 'checkpoint.newer-format',
    hint: 'Run the version that wrote it, or a later one.',
  });
}
