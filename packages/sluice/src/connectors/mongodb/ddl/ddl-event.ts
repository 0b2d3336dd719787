import type { ChangeEvent, Namespace } from '../../../core/change-event.ts';
import type { DdlKind } from './config.ts';
import { type Fields, fieldsIn, textOf } from './raw-fields.ts';

/** A change of the collections themselves. */
export interface DdlEvent {
  readonly event: ChangeEvent;
  /** Undefined for operations that are not known here. */
  readonly kind: DdlKind | undefined;
  /** What the server says that was done, in the words of the command. */
  readonly description: Fields;
  /** The new name, of a rename. */
  readonly to: Namespace | undefined;
  /** Whether a rename replaced another collection; undefined where the source does not tell. */
  readonly dropTarget: boolean | undefined;
}

/** A time series is a view over its buckets, and events of servers up to 8.0 say no more about it. */
export const BUCKETS = 'system.buckets.';

/** `convertToCapped` copies the documents into a collection of such a name, without events for them. */
const CONVERSION = /^tmp\w+\.convertToCapped\./;

const KINDS: Readonly<Record<string, DdlKind>> = {
  create: 'create',
  createIndexes: 'createIndexes',
  dropIndexes: 'dropIndexes',
  modify: 'collMod',
  rename: 'rename',
  drop: 'drop',
  dropDatabase: 'dropDatabase',
  shardCollection: 'sharding',
  reshardCollection: 'sharding',
  refineCollectionShardKey: 'sharding',
};

/** Reads an event that is about no single document. Throws `rejected` when its bytes are malformed. */
export function readDdl(event: ChangeEvent): DdlEvent {
  const description = fieldsIn(event.field('operationDescription'));
  const to = fieldsIn(event.field('to'));
  const [db, coll] = [textOf(to, 'db'), textOf(to, 'coll')];
  return {
    event,
    kind: kindOf(event.op, description),
    description,
    to: db === undefined || coll === undefined ? undefined : { db, coll },
    dropTarget: description.size === 0 ? undefined : description.has('dropTarget'),
  };
}

function kindOf(op: string, description: Fields): DdlKind | undefined {
  const kind = Object.hasOwn(KINDS, op) ? KINDS[op] : undefined;
  const isView = description.has('viewOn') && !isTimeSeries(description);
  return isView && (kind === 'create' || kind === 'collMod') ? 'views' : kind;
}

/** Whether a rename is the last step of `convertToCapped`: no document goes with what it replaces. */
export function isConversion({ event: { op, namespace } }: Pick<DdlEvent, 'event'>): boolean {
  return op === 'rename' && CONVERSION.test(namespace.coll);
}

/** Whether a `create` or `modify` is about a time series. */
export function isTimeSeries(description: Fields): boolean {
  return description.has('timeseries') || textOf(description, 'viewOn')?.startsWith(BUCKETS) === true;
}
