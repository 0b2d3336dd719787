import { idTextOf } from '../../bson/id-text.ts';
import { incompleteEvent } from '../../bson/malformed.ts';
import { compareVersions } from '../../core/change-event.ts';
import type { Envelope } from '../../core/envelope.ts';
import { SluiceError } from '../../core/failure.ts';
import type { Rejection } from '../../core/sink.ts';

/** The state of one document after an event: there, or gone. */
export interface DocumentState {
  readonly index: string;
  readonly id: string;
  readonly envelope: Envelope;
  /** The document as BSON; undefined when it is gone. */
  readonly document: Uint8Array | undefined;
  /** The state before it in the same batch; only needed when this one is refused. */
  readonly previous: DocumentState | undefined;
}

/** What becomes of a batch of data events. */
export interface StatePlan {
  /** The last state of every document, in the order in which the documents came. */
  readonly states: readonly DocumentState[];
  readonly rejections: readonly Rejection[];
  /** Events that say nothing about what is in the index. */
  readonly skipped: number;
}

/** How a batch is collapsed. */
export interface StatePlanParts {
  /** The index that an event belongs to. */
  readonly indexOf: (envelope: Envelope) => string;
  /** What is done with an update that came without its document. */
  readonly missingDocument?: 'reject' | 'skip' | undefined;
}

/**
 * Collapses data events to the last state of each document. What is older by version than an event before it is left
 * out: it is in the index already, or superseded. An event that cannot be read, or does not say what its document is, is
 * a rejection.
 */
export function planStates(batch: readonly Envelope[], { indexOf, missingDocument }: StatePlanParts): StatePlan {
  const indexes = new Map<string, Map<string, DocumentState>>();
  const rejections: Rejection[] = [];
  let skipped = 0;
  for (const envelope of batch) {
    try {
      const { event } = envelope;
      const document = event.op === 'delete' ? undefined : event.after();
      if (document === undefined && event.op !== 'delete') {
        // What did not fit into the event may well be there: only a document that was looked up and not found is gone.
        if (event.degraded !== undefined) throw droppedDocument(event.op);
        if (missingDocument !== 'skip' || event.op !== 'update') throw noDocument(event.op);
        skipped += 1;
        continue;
      }
      const key = event.key();
      if (key === undefined) throw incompleteEvent('it has no documentKey');
      add(indexes, { index: indexOf(envelope), id: idTextOf(key), envelope, document, previous: undefined });
    } catch (error) {
      if (!(error instanceof SluiceError) || error.kind !== 'rejected') throw error;
      rejections.push({ envelope, error });
    }
  }
  const states = [...indexes.values()].flatMap((documents) => [...documents.values()]);
  return { states, rejections, skipped };
}

/** The states before this one in its batch, oldest first. */
export function supersededBy(state: DocumentState): readonly DocumentState[] {
  const states: DocumentState[] = [];
  for (let older = state.previous; older !== undefined; older = older.previous) states.push(older);
  return states.toReversed();
}

function add(indexes: Map<string, Map<string, DocumentState>>, state: DocumentState): void {
  let documents = indexes.get(state.index);
  if (documents === undefined) {
    documents = new Map();
    indexes.set(state.index, documents);
  }
  const last = documents.get(state.id);
  if (last === undefined) documents.set(state.id, state);
  else if (compareVersions(state.envelope.event.version, last.envelope.event.version) >= 0) {
    documents.set(state.id, { ...state, previous: last });
  }
}

function noDocument(op: string): SluiceError {
  return new SluiceError(`an event of kind ${op} came without its document, and an index holds whole documents`, {
    kind: 'rejected',
    code: 'search.no-document',
    hint:
      'Let updates come with their document: source.mongodb.fullDocument: updateLookup, or ' +
      'changeStreamPreAndPostImages on the collection. Replay the dead letter, or copy the collection, afterwards.',
  });
}

function droppedDocument(op: string): SluiceError {
  return new SluiceError(`an event of kind ${op} was too large for the server to send with its document`, {
    kind: 'rejected',
    code: 'search.document-dropped',
    hint:
      'The index keeps the state before it until the document changes again: copy the document with `sluice snapshot` and a filter ' +
      'for its id. Events become smaller without pre-images.',
  });
}
