import { asBuffer, BsonType, findField } from '../../../bson/elements.ts';
import { type ChangeEvent, formatNamespace, type Namespace } from '../../../core/change-event.ts';
import {
  type CollectionCopy,
  changeState,
  EMPTY_COPY,
  type SnapshotRun,
  type SnapshotState,
} from './snapshot-state.ts';

/**
 * What a change of the collections themselves does to a snapshot. A collection that is gone is forgotten: one of the
 * same name that comes later is born in the stream, so nothing of it is missing. One that is renamed into the stream
 * was not, and is copied under its new name.
 */
export function effectOfDdl(
  state: SnapshotState,
  event: ChangeEvent,
  adopts: (namespace: Namespace) => boolean,
): SnapshotState {
  switch (event.op) {
    case 'drop':
      return without(state, (namespace) => namespace === formatNamespace(event.namespace));
    case 'dropDatabase':
      return without(state, (namespace) => namespace.startsWith(`${event.namespace.db}.`));
    case 'rename':
      return renamed(state, event, adopts);
    default:
      return state;
  }
}

function renamed(state: SnapshotState, event: ChangeEvent, adopts: (namespace: Namespace) => boolean): SnapshotState {
  const from = formatNamespace(event.namespace);
  const to = targetOf(event);
  const target = to && formatNamespace(to);
  const gone = without(state, (namespace) => namespace === from || namespace === target);
  return to !== undefined && adopts(to) ? withNew(gone, to, event) : gone;
}

function withNew(state: SnapshotState, namespace: Namespace, event: ChangeEvent): SnapshotState {
  const copy: CollectionCopy = { ...EMPTY_COPY, namespace, mode: 'hold' };
  const run: SnapshotRun = state.run ?? {
    reason: 'new-collections',
    startedAtMs: event.sourceTimeMs,
    since: event.position.clusterTime,
    paused: false,
    collections: new Map(),
  };
  const collections = new Map(run.collections).set(formatNamespace(namespace), copy);
  return changeState(state, { run: { ...run, collections } });
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
  const to = event.field('to');
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
