import { incompleteEvent } from '../../../bson/malformed.ts';
import { isDataOperation } from '../../../core/change-event.ts';
import type { Envelope } from '../../../core/envelope.ts';
import { SluiceError } from '../../../core/failure.ts';
import type { Rejection } from '../../../core/sink.ts';
import { deltaStatements } from './delta.ts';
import { type DocumentKey, type DocumentKeys, isSameValue } from './document-key.ts';
import type { TargetCollection, TargetNames } from './name-template.ts';
import type { RawStatement } from './raw-sequence.ts';
import { UpdateStatement } from './statements.ts';
import { emptyTimestampsAgain, topFieldsOf } from './top-fields.ts';

/** The largest document that servers store (`maxBsonObjectSize`). */
const MAX_DOCUMENT_BYTES = 16 * 1024 * 1024;

/** What an event makes of its document. */
export interface Step {
  /**
   * `insert`: a row that is most likely not there yet. `recreate`: a document that can be inserted, but not be a
   * replacement.
   */
  readonly kind: 'insert' | 'replace' | 'recreate' | 'delete' | 'delta';
  readonly envelope: Envelope;
  /** The document afterwards; undefined for deletes and deltas. */
  readonly document: Uint8Array | undefined;
  /** Update statements, to be applied in order; none for what is removed, and hardly any for what is inserted. */
  readonly updates: readonly RawStatement[];
}

/** What a batch does with one document, in order. */
export interface KeyPlan {
  readonly key: DocumentKey;
  /** At least one; only the first can be anything else than a delta. */
  readonly steps: readonly Step[];
  /** The id has another type than the one that was deleted before in the batch, so the old document has to go first. */
  readonly deleteFirst: boolean;
  /** The last event about the document, also when it changed nothing. */
  readonly last: Envelope;
}

/** What a batch does with one collection. */
export interface CollectionPlan {
  readonly target: TargetCollection;
  readonly keys: Map<string, KeyPlan>;
}

/** What becomes of a batch. */
export interface BatchPlan {
  readonly collections: readonly CollectionPlan[];
  readonly rejections: readonly Rejection[];
  /** Events that are not about a document. */
  readonly others: readonly Envelope[];
}

/** How a batch is collapsed. */
export interface CollapseParts {
  readonly names: TargetNames;
  readonly keys: DocumentKeys;
  readonly isOlder?: ((envelope: Envelope, last: Envelope) => boolean) | undefined;
}

/**
 * Collapses the events of a batch, per document, to what is needed: a whole document or a delete supersedes everything
 * before it, changes of fields are kept in their order. An event that cannot be read is a rejection. With `isOlder` an event
 * that is older than one before it of its document is left out.
 */
export function collapse(batch: readonly Envelope[], { names, keys, isOlder }: CollapseParts): BatchPlan {
  const collections = new Map<string, CollectionPlan>();
  const rejections: Rejection[] = [];
  const others: Envelope[] = [];
  for (const envelope of batch) {
    try {
      if (!isDataOperation(envelope.event.op)) {
        others.push(envelope);
        continue;
      }
      const key = keys.of(envelope.event);
      const collection = collectionOf(names.of(envelope.namespace), collections);
      const last = isOlder && collection.keys.get(key.text)?.last;
      if (last === undefined || !isOlder?.(envelope, last)) add(collection, key, envelope);
    } catch (error) {
      if (!(error instanceof SluiceError) || error.kind !== 'rejected') throw error;
      rejections.push({ envelope, error });
    }
  }
  return { collections: [...collections.values()], rejections, others };
}

function collectionOf(target: TargetCollection, collections: Map<string, CollectionPlan>): CollectionPlan {
  let plan = collections.get(target.name);
  if (plan === undefined) {
    plan = { target, keys: new Map() };
    collections.set(target.name, plan);
  }
  return plan;
}

function add({ keys }: CollectionPlan, key: DocumentKey, envelope: Envelope): void {
  const known = keys.get(key.text);
  const step = stepOf(key, envelope, known !== undefined);
  if (step === undefined) return;
  if (known === undefined) {
    keys.set(key.text, { key, steps: [step], deleteFirst: false, last: envelope });
    return;
  }
  // The order of a map is that of the last change, as the target would have seen it.
  keys.delete(key.text);
  keys.set(key.text, step.kind === 'delta' ? withDelta(known, step) : instead(known, key, step));
}

function withDelta(known: KeyPlan, step: Step): KeyPlan {
  return { ...known, steps: [...known.steps, step], last: step.envelope };
}

function instead(known: KeyPlan, key: DocumentKey, step: Step): KeyPlan {
  const otherForm = step.kind !== 'delete' && !isSameValue(known.key.id, key.id);
  return { key, steps: [step], deleteFirst: known.deleteFirst || otherForm, last: step.envelope };
}

/** Undefined when there is nothing to do: an update that changed nothing. */
function stepOf(key: DocumentKey, envelope: Envelope, isKnown: boolean): Step | undefined {
  const { event } = envelope;
  if (event.op === 'delete') return { kind: 'delete', envelope, document: undefined, updates: [] };
  const document = event.after();
  if (document !== undefined) {
    if (document.length > MAX_DOCUMENT_BYTES) throw tooLarge(document.length);
    const isFresh = event.op === 'snapshot' && !isKnown;
    return isFresh ? insertStep(key, envelope, document) : wholeStep(key, envelope, document);
  }
  const update = event.op === 'update' ? event.update() : undefined;
  if (update === undefined) throw incompleteEvent('it has neither its document nor what changed');
  const updates = deltaStatements(key.query, key.id, update);
  return updates.length === 0 ? undefined : { kind: 'delta', envelope, document: undefined, updates };
}

/**
 * The plan with its first step such that it works for a document that is there too. A classic replacement takes no names
 * that begin with `$`. An update by pipeline (`$replaceWith` with a `$literal`) would, but the server compares the two
 * documents for it, and ends itself when a name stands twice in one of them (seen with 6.0).
 */
export function overExisting(plan: KeyPlan): KeyPlan {
  const [first, ...others] = plan.steps;
  if (first?.kind !== 'insert' || first.document === undefined) return plan;
  return { ...plan, steps: [wholeStep(plan.key, first.envelope, first.document), ...others] };
}

function insertStep({ query }: DocumentKey, envelope: Envelope, document: Uint8Array): Step {
  const updates = topFieldsOf(document).hasEmptyTimestamp ? emptyTimestampsAgain(query, document) : [];
  return { kind: 'insert', envelope, document, updates };
}

function wholeStep({ query }: DocumentKey, envelope: Envelope, document: Uint8Array): Step {
  const { hasDollarName, hasEmptyTimestamp } = topFieldsOf(document);
  const again = hasEmptyTimestamp ? emptyTimestampsAgain(query, document) : [];
  if (hasDollarName) return { kind: 'recreate', envelope, document, updates: again };
  return { kind: 'replace', envelope, document, updates: [new UpdateStatement(query, document), ...again] };
}

/** The server would refuse the whole command. */
function tooLarge(bytes: number): SluiceError {
  return new SluiceError(`the document has ${bytes} bytes, more than the ${MAX_DOCUMENT_BYTES} that a server stores`, {
    kind: 'rejected',
    code: 'mongodb.document-too-large',
    hint: 'A transform has made it larger than it is at the source; let it add less, or leave fields out.',
  });
}
