import { idTextOf } from '../../bson/id-text.ts';
import { incompleteEvent } from '../../bson/malformed.ts';
import { formatNamespace, isDataOperation, type Namespace, type Version } from '../../core/change-event.ts';
import { compareClusterTime } from '../../core/cluster-time.ts';
import type { Envelope } from '../../core/envelope.ts';
import { SluiceError } from '../../core/failure.ts';
import type { Rejection } from '../../core/sink.ts';
import type { PostgresSinkConfig } from './config.ts';
import type { TargetNames } from './names.ts';

/** What a batch makes of one document. */
export interface Change {
  /** The value of `_id`. */
  readonly id: string;
  readonly envelope: Envelope;
  readonly version: Version;
  /** The document afterwards as BSON; undefined when it is deleted. */
  readonly document: Uint8Array | undefined;
}

/** What a batch does with one collection. */
export interface CollectionChanges {
  readonly namespace: Namespace;
  /** By which its documents are learned: the name at the source. */
  readonly source: Namespace;
  readonly changes: Map<string, Change>;
}

/** What becomes of a batch of documents. */
export interface BatchPlan {
  readonly collections: readonly CollectionChanges[];
  readonly rejections: readonly Rejection[];
}

export interface CollapseParts {
  readonly names: TargetNames;
  readonly missingDocument: PostgresSinkConfig['missingDocument'];
}

/**
 * The last state of each document of a batch: whatever comes behind it and is not newer by version, and everything before
 * it, is left out. What cannot be read is a rejection.
 */
export function collapse(batch: readonly Envelope[], { names, missingDocument }: CollapseParts): BatchPlan {
  const collections = new Map<string, CollectionChanges>();
  const rejections: Rejection[] = [];
  let collection: CollectionChanges | undefined;
  for (const envelope of batch) {
    try {
      const change = changeOf(envelope, missingDocument);
      if (change === undefined) continue;
      if (collection === undefined || !isOf(collection, envelope)) {
        collection = collectionOf(envelope, collections, names);
      }
      const { changes } = collection;
      const last = changes.get(change.id);
      if (last === undefined || compareVersions(last.version, change.version) < 0) changes.set(change.id, change);
    } catch (error) {
      if (!(error instanceof SluiceError) || error.kind !== 'rejected') throw error;
      rejections.push({ envelope, error });
    }
  }
  return { collections: [...collections.values()], rejections };
}

/** Events of one namespace that follow each other share the object. */
function isOf({ namespace, source }: CollectionChanges, { namespace: target, event }: Envelope): boolean {
  return namespace === target && source === event.namespace;
}

/** Negative when `a` is older than `b`. */
export function compareVersions(a: Version, b: Version): number {
  return compareClusterTime(a.clusterTime, b.clusterTime) || a.ordinal - b.ordinal;
}

function changeOf(envelope: Envelope, missingDocument: CollapseParts['missingDocument']): Change | undefined {
  const { event } = envelope;
  if (!isDataOperation(event.op)) throw incompleteEvent('it is not about a document');
  const key = event.key();
  if (key === undefined) throw incompleteEvent('it has no document key');
  const id = idTextOf(key);
  const isDelete = event.op === 'delete';
  const document = isDelete ? undefined : event.after();
  if (document === undefined && !isDelete) {
    if (event.op === 'update' && missingDocument === 'skip') return undefined;
    throw noDocument();
  }
  return { id, envelope, version: event.version, document };
}

function collectionOf(
  { namespace, event }: Envelope,
  collections: Map<string, CollectionChanges>,
  names: TargetNames,
): CollectionChanges {
  const key = collectionKey(names, { namespace, source: event.namespace });
  let found = collections.get(key);
  if (found === undefined) {
    found = { namespace, source: event.namespace, changes: new Map() };
    collections.set(key, found);
  }
  return found;
}

/** Equal for the documents of one collection that go to one table. */
export function collectionKey(
  names: TargetNames,
  { namespace, source }: Pick<CollectionChanges, 'namespace' | 'source'>,
): string {
  const { schema, table } = names.of(namespace);
  return `${schema}\0${table}\0${formatNamespace(source)}`;
}

function noDocument(): SluiceError {
  return new SluiceError('the change came without the document', {
    kind: 'rejected',
    code: 'postgres.no-document',
    hint: 'Set `fullDocument: updateLookup` (or `whenAvailable` with images) at the MongoDB source.',
  });
}
