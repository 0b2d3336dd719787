import { SluiceError } from '../core/failure.ts';

/** The bytes are not a BSON document that can be walked. `detail` says where it breaks, without showing any data. */
export function malformedBson(detail: string): SluiceError {
  return new SluiceError(`the document is not valid BSON: ${detail}`, {
    kind: 'rejected',
    code: 'bson.malformed',
    hint: 'The raw bytes are kept with the dead letter. Find out which client wrote the document and repair it at the source.',
  });
}

/** A string, a field name or another text of the document is not UTF-8, so it has no form in JSON. */
export function invalidUtf8(what: string): SluiceError {
  return new SluiceError(`the document holds ${what} that is not valid UTF-8`, {
    kind: 'rejected',
    code: 'bson.invalid-utf8',
    hint: 'Use the BSON encoding to deliver it as it is, or repair the document at the source and replay the dead letter.',
  });
}

/** Documents and arrays are nested deeper than a reader can be expected to follow. */
export function nestedTooDeep(limit: number): SluiceError {
  return new SluiceError(`the document is nested deeper than ${limit} levels`, {
    kind: 'rejected',
    code: 'bson.too-deep',
    hint: 'Use the BSON encoding to deliver it as it is, or flatten the document at the source.',
  });
}

/** A field of a change event is missing or cannot be read. `why` says which. */
export function incompleteEvent(why: string, cause?: unknown): SluiceError {
  return new SluiceError(`this is not a complete change event: ${why}`, {
    kind: 'rejected',
    code: 'change-event.incomplete',
    hint: 'A $project or $unset in the pipeline must leave _id, operationType, ns, documentKey and clusterTime alone.',
    cause,
  });
}
