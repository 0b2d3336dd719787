import { asBuffer, BsonType, findField } from '../../../bson/elements.ts';
import { type BsonValue, type ChangeEvent, formatNamespace, type Namespace } from '../../../core/change-event.ts';
import {
  type CollectionCopy,
  changeState,
  EMPTY_COPY,
  type SnapshotRun,
  type SnapshotState,
} from './snapshot-state.ts';

/**
 * How a collection that is renamed to this name is to be copied; undefined when it is not, because it is no part of the
 * stream or nothing is copied by itself.
 */
export type Adopt = (namespace: Namespace) => Pick<CollectionCopy, 'match'> | undefined;

/**
 * What a change of the collections themselves does to a snapshot. A collection that is gone is forgotten: one of the
 * same name that comes later is born in the stream, so nothing of it is missing. One that is renamed into the stream
 * was not, and is copied under its new name.
 */
export function effectOfDdl(state: SnapshotState, event: ChangeEvent, adopt: Adopt): SnapshotState {
  switch (event.op) {
    case 'drop':
      return without(state, (namespace) => namespace === formatNamespace(event.namespace));
    case 'dropDatabase':
      return without(state, (namespace) => namespace.startsWith(`${event.namespace.db}.`));
    case 'rename':
      return renamed(state, event, adopt);
    default:
      return state;
  }
}

function renamed(state: SnapshotState, event: ChangeEvent, adopt: Adopt): SnapshotState {
  const from = formatNamespace(event.namespace);
  const to = targetOf(event);
  const target = to && formatNamespace(to);
  const gone = without(state, (namespace) => namespace === from || namespace === target);
  const adopted = to && adopt(to);
  if (to === undefined || adopted === undefined) return gone;
  const { match } = adopted;
  return withNew(gone, { ...EMPTY_COPY, namespace: to, match, mode: match === undefined ? 'hold' : 'pass' }, event);
}

function withNew(state: SnapshotState, copy: CollectionCopy, event: ChangeEvent): SnapshotState {
  const run: SnapshotRun = state.run ?? {
    reason: 'new-collections',
    startedAtMs: event.sourceTimeMs,
    since: event.position.clusterTime,
    paused: false,
    collections: new Map(),
  };
  const collections = new Map(run.collections).set(formatNamespace(copy.namespace), copy);
  // A run that somebody has paused must not hold back what nobody asked for.
  return changeState(state, { run: { ...run, paused: false, collections } });
}

function without(state: SnapshotState, isGone: (namespace: string) => boolean): SnapshotState {
  const { covered, run } = state;
  const stays = ([namespace]: readonly [string, unknown]) => !isGone(namespace);
  const known = [...covered].every(stays) && (run === undefined || [...run.collections].every(stays));
  if (known) return state;
  const collections = new Map([...(run?.collections ?? [])].filter(stays));
  return changeState(state, {
    covered: new Map([...covered].filter(stays)),
    run: run && { ...run, collections },
  });
}

function targetOf(event: ChangeEvent): Namespace | undefined {
  const to = fieldOf(event, 'to');
  if (to?.type !== BsonType.document) return undefined;
  const text = (name: string) => {
    const value = findField(to.bytes, name);
    return value?.type === BsonType.string
      ? asBuffer(value.bytes).toString('utf8', 4, value.bytes.length - 1)
      : undefined;
  };
  const [db, coll] = [text('db'), text('coll')];
  return db === undefined || coll === undefined ? undefined : { db, coll };
}

/** An event that cannot be read has no fields, and ends as a dead letter. */
function fieldOf(event: ChangeEvent, name: string): BsonValue | undefined {
  try {
    return event.field(name);
  } catch {
    return undefined;
  }
}
