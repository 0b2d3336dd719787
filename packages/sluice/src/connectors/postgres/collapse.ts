import { idTextOf } from '../../bson/id-text.ts';
import { incompleteEvent } from '../../bson/malformed.ts';
import {
  compareVersions,
  formatNamespace,
  isDataOperation,
  type Namespace,
  type Version,
} from '../../core/change-event.ts';
import type { Envelope } from '../../core/envelope.ts';
import { SluiceError } from '../../core/failure.ts';
import type { Rejection } from '../../core/sink.ts';
import type { PostgresSinkConfig } from './config.ts';
import type { DocumentJson } from './document-json.ts';
import type { TargetNames } from './names.ts';

/** What a batch makes of one document. */
export interface Change {
  /** The value of `_id`. */
  readonly id: string;
  readonly envelope: Envelope;
  readonly version: Version;
  /** The document afterwards as BSON; undefined when it is deleted. */
  readonly document: Uint8Array | undefined;
  /** The same as JSON. */
  readonly json: Uint8Array | undefined;
}

/** What a batch does with one collection. */
export interface CollectionChanges {
  readonly namespace: Namespace;
  /** By which its documents are learned: the name at the source. */
  readonly source: Namespace;
  /** The state of each document that is to be tried first, by its id. */
  readonly changes: ReadonlyMap<string, Change>;
  /** Older states of documents, by id, in no order; they count when those in `changes` are refused. */
  readonly superseded: ReadonlyMap<string, readonly Change[]>;
}

/** What becomes of a batch of documents. */
export interface BatchPlan {
  readonly collections: readonly CollectionChanges[];
  readonly rejections: readonly Rejection[];
  /** Events that say nothing about what is in the table. */
  readonly skipped: number;
}

/** A collection while events are added. */
interface Collecting extends CollectionChanges {
  readonly changes: Map<string, Change>;
  readonly superseded: Map<string, Change[]>;
}

/** How a batch is collapsed. */
export interface CollapseParts {
  readonly names: TargetNames;
  readonly json: DocumentJson;
  readonly missingDocument: PostgresSinkConfig['missingDocument'];
}

/**
 * The newest state of each document of a batch, of those that there is JSON for. What is not newer than one before it by
 * version, and everything before it, is left out and kept aside. What cannot be read is a rejection.
 */
export function collapse(batch: readonly Envelope[], { names, json, missingDocument }: CollapseParts): BatchPlan {
  const collections = new Map<string, Collecting>();
  const rejections: Rejection[] = [];
  let skipped = 0;
  let collection: Collecting | undefined;
  for (const envelope of batch) {
    try {
      const change = changeOf(envelope, missingDocument);
      if (change === undefined) {
        skipped += 1;
        continue;
      }
      if (collection === undefined || !isOf(collection, envelope)) {
        collection = collectionOf(envelope, collections, names);
      }
      add(collection, change);
    } catch (error) {
      rejections.push({ envelope, error: asRejected(error) });
    }
  }
  for (const one of collections.values()) rejections.push(...encode(one, json));
  return { collections: [...collections.values()], rejections, skipped };
}

function add({ changes, superseded }: Collecting, change: Change): void {
  const last = changes.get(change.id);
  if (last === undefined) {
    changes.set(change.id, change);
    return;
  }
  const isNewer = compareVersions(last.version, change.version) < 0;
  if (isNewer) changes.set(change.id, change);
  const older = isNewer ? last : change;
  const others = superseded.get(change.id);
  if (others === undefined) superseded.set(change.id, [older]);
  else others.push(older);
}

/** Adds the JSON to what is left; where there is none, the state before it counts. */
function encode({ changes, superseded }: Collecting, json: DocumentJson): readonly Rejection[] {
  const rejections: Rejection[] = [];
  for (const [id, change] of changes) {
    const encoded = withJson(change, json);
    if (!(encoded instanceof SluiceError)) {
      if (encoded !== change) changes.set(id, encoded);
      continue;
    }
    rejections.push({ envelope: change.envelope, error: encoded });
    const [next, ...others] = newestFirst(superseded.get(id) ?? []);
    changes.delete(id);
    superseded.delete(id);
    if (next === undefined) continue;
    // Comes at the end of this very loop.
    changes.set(id, next);
    superseded.set(id, others);
  }
  return rejections;
}

/** A state of a document that can be tried, or why it cannot. */
export interface TriedState {
  readonly change: Change;
  readonly error: SluiceError | undefined;
}

/** All states of each document of the collection, the newest first, with the JSON of those that there is JSON for. */
export function allStates(
  { changes, superseded }: CollectionChanges,
  json: DocumentJson,
): readonly (readonly TriedState[])[] {
  return [...changes].map(([id, first]) => [
    { change: first, error: undefined },
    ...newestFirst(superseded.get(id) ?? []).map((change) => {
      const encoded = withJson(change, json);
      return encoded instanceof SluiceError ? { change, error: encoded } : { change: encoded, error: undefined };
    }),
  ]);
}

function newestFirst(changes: readonly Change[]): readonly Change[] {
  return changes.length < 2 ? changes : changes.toSorted((a, b) => compareVersions(b.version, a.version));
}

/** The change with its JSON, or the error that refuses it. */
function withJson(change: Change, json: DocumentJson): Change | SluiceError {
  const { document, envelope } = change;
  if (document === undefined || change.json !== undefined) return change;
  try {
    return { ...change, json: json.of(document, envelope.namespace) };
  } catch (error) {
    return asRejected(error);
  }
}

/** Throws what is not about the document. */
function asRejected(error: unknown): SluiceError {
  if (error instanceof SluiceError && error.kind === 'rejected') return error;
  throw error;
}

/** Events of one namespace that follow each other share the object. */
function isOf({ namespace, source }: CollectionChanges, { namespace: target, event }: Envelope): boolean {
  return namespace === target && source === event.namespace;
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
    // Where the server had to leave the document out, it is there all the same.
    if (event.op === 'update' && missingDocument === 'skip' && event.degraded === undefined) return undefined;
    throw noDocument(event.degraded !== undefined);
  }
  return { id, envelope, version: event.version, document, json: undefined };
}

function collectionOf(
  { namespace, event }: Envelope,
  collections: Map<string, Collecting>,
  names: TargetNames,
): Collecting {
  const key = collectionKey(names, { namespace, source: event.namespace });
  let found = collections.get(key);
  if (found === undefined) {
    found = { namespace, source: event.namespace, changes: new Map(), superseded: new Map() };
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

function noDocument(isDropped: boolean): SluiceError {
  if (isDropped) {
    return new SluiceError('the change was too large for the server to send with its document', {
      kind: 'rejected',
      code: 'postgres.no-document',
      hint:
        'The table keeps the document as it was before. Copy the collection again with `sluice snapshot`; it does not ' +
        'happen again without changeStreamPreAndPostImages, which are sent with the document.',
    });
  }
  return new SluiceError('the change came without the document', {
    kind: 'rejected',
    code: 'postgres.no-document',
    hint: 'Set `fullDocument: updateLookup` (or `whenAvailable` with images) at the MongoDB source.',
  });
}
