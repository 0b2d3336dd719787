import type { ErrorRule } from './error-rules.ts';

const VALIDATION_FAILED: ErrorRule = {
  kind: 'rejected',
  code: 'mongodb.validation-failed',
  says: 'the document does not pass the validator of the collection',
  hint: 'Correct the validator of the target collection or the document, then replay the dead letter.',
};

const DOCUMENT_TOO_LARGE: ErrorRule = {
  kind: 'rejected',
  code: 'mongodb.document-too-large',
  says: 'the document is larger than the server stores',
  hint: 'A transform that adds fields can make a document larger than 16 MiB.',
  quiet: true,
};

const DELTA_REFUSED: ErrorRule = {
  kind: 'rejected',
  code: 'mongodb.delta-refused',
  says: 'the change of fields does not fit the document that the target has',
  hint: 'Copy the collection again with `sluice snapshot`, or let updates come with their document.',
  // The server quotes values of documents.
  quiet: true,
};

/** The server does not take a document, for a reason of its own or of the collection. */
export const DOCUMENT_REFUSED: ErrorRule = {
  kind: 'rejected',
  code: 'mongodb.document-refused',
  says: 'the server does not accept the document',
  hint: 'The name of the code says why: an index, a shard key or a rule of the target collection does not take it.',
  quiet: true,
};

const TARGET_REFUSED: ErrorRule = {
  kind: 'config',
  code: 'mongodb.target-refused',
  says: 'the target is no collection that can be written to',
  hint: 'Views and system collections cannot be written to; correct `database`, `collection` or the `rename` of the pipeline.',
};

const NO_TRANSACTIONS: ErrorRule = {
  kind: 'config',
  code: 'mongodb.no-transactions',
  says: 'the server cannot do this',
  hint: 'Transactions need a replica set or a sharded cluster; a capped collection takes no deletes before 5.0.',
};

/** What codes mean while documents are written. */
export const writeRules: readonly (readonly [codes: readonly number[], rule: ErrorRule])[] = [
  // DocumentValidationFailure
  [[121], VALIDATION_FAILED],
  // BSONObjectTooLarge, and the codes that updates have for it
  [[10334, 17280, 17419, 17420, 17421], DOCUMENT_TOO_LARGE],
  // PathNotViable, ConflictingUpdateOperators, DollarPrefixedFieldName, EmptyFieldName, DottedFieldName: a change of
  // fields that does not fit the document that is there
  [[28, 40, 52, 56, 57], DELTA_REFUSED],
  // BadValue, FailedToParse, TypeMismatch, InvalidBSON, InvalidIdField, NotSingleValueField, InvalidDBRef,
  // ImmutableField, CannotIndexParallelArrays, ShardKeyNotFound, CannotGrowDocumentInCappedNamespace
  [[2, 9, 14, 22, 53, 54, 55, 66, 171, 61, 10003], DOCUMENT_REFUSED],
  // CommandNotSupportedOnView, InvalidNamespace, OptionNotSupportedOnView
  [[166, 73, 167], TARGET_REFUSED],
  // IllegalOperation: transactions need a replica set
  [[20], NO_TRANSACTIONS],
];
