import type { MongoServerError } from 'mongodb';
import { SluiceError } from '../../../core/failure.ts';
import { classify } from '../classify.ts';

const DUPLICATE_KEY = 11000;
const IMMUTABLE_FIELD = 66;
const PATH_NOT_VIABLE = 28;

/** What can be done about a statement that was refused. */
export type Remedy =
  /** The document is there already: replace it. */
  | 'exists'
  /** Another document has the value of a unique index: it may be about to give it up. */
  | 'conflict'
  /** The `_id` that is there is another form of the same: remove the document first. */
  | 'recreate'
  /** An update of fields has found nothing to change. */
  | 'unmatched'
  | 'none';

/** What to do about a statement that the server refused. */
export function remedyFor(error: MongoServerError, isDelta = false): Remedy {
  const code = Number(error.code);
  // The document is there, but not what a path leads through; or it is not there at all (see `NO_INSERT`).
  if (isDelta && (code === IMMUTABLE_FIELD || code === PATH_NOT_VIABLE || isExisting(error))) return 'unmatched';
  if (isExisting(error)) return 'exists';
  if (code === DUPLICATE_KEY) return 'conflict';
  return code === IMMUTABLE_FIELD ? 'recreate' : 'none';
}

/**
 * The error of a statement that nothing could be done about. Kind `rejected` when it is about this document alone; any
 * other kind is of the whole write.
 */
export function itemFailure(error: MongoServerError, remedy: Remedy, where: string): SluiceError {
  if (remedy === 'unmatched') return nothingToChange(where);
  if (Number(error.code) === DUPLICATE_KEY) return uniqueConflict(error, where);
  return classify(error, 'write', `write a document to ${where}`);
}

function isExisting(error: MongoServerError): boolean {
  if (Number(error.code) !== DUPLICATE_KEY) return false;
  const pattern: unknown = error['keyPattern'];
  const names = typeof pattern === 'object' && pattern !== null ? Object.keys(pattern) : [];
  return names.length === 1 && names[0] === '_id';
}

function uniqueConflict(error: MongoServerError, where: string): SluiceError {
  const index = / index: (\S+) dup key/.exec(error.message)?.[1];
  const name = index === undefined ? 'a unique index' : `the unique index ${index}`;
  return new SluiceError(`cannot write a document to ${where}: another document has its value in ${name}`, {
    kind: 'rejected',
    code: 'mongodb.unique-conflict',
    hint:
      'When the other document gives the value up later in the stream, replay the dead letter then. While much is copied, ' +
      'make unique indexes of the target only at the end. Otherwise remove the other document, which the source does not have.',
  });
}

function nothingToChange(where: string): SluiceError {
  return new SluiceError(`an update came without its document, and ${where} does not have what it changes fields of`, {
    kind: 'rejected',
    code: 'mongodb.delta-without-document',
    hint:
      'Copy the collection with `sluice snapshot`, or let updates come with their document: ' +
      'changeStreamPreAndPostImages on the collection, or source.mongodb.fullDocument: updateLookup.',
  });
}
