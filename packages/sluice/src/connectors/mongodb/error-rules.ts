import type { MongoServerError } from 'mongodb';
import type { FailureKind } from '../../core/failure.ts';
import { isCertificateCode, isConnectionCode, isNameCode } from '../../core/network-codes.ts';
import { DOCUMENT_REFUSED, writeRules } from './write-error-rules.ts';

/**
 * What was being done when the error came; the same code can mean different things:
 * `connect` (reaching and logging in), `open` (the aggregate of a change stream, where tokens and pipelines are
 * refused), `read` (its getMore), `snapshot` (short reads of collections), `state` (reading and writing Sluice's own
 * collections), `write` (writing documents to a target), `check` (doctor).
 */
export type MongoPhase = 'connect' | 'open' | 'read' | 'snapshot' | 'state' | 'write' | 'check';

/** What an error means; found by code and phase. */
export interface ErrorRule {
  readonly kind: FailureKind;
  readonly code: string;
  /** The meaning in words; in brackets follows the server's own text, or with `quiet` only the name of its code. */
  readonly says: string;
  readonly hint?: string;
  readonly quiet?: boolean;
}

const AUTHENTICATION: ErrorRule = {
  kind: 'transient',
  code: 'mongodb.authentication-failed',
  says: 'the server refuses the user name or password',
  hint: 'Correct the credentials of the URI, or those of the user on the server; Sluice keeps trying.',
};

const UNAUTHORIZED: ErrorRule = {
  kind: 'transient',
  code: 'mongodb.unauthorized',
  says: 'the user lacks a privilege',
  hint: 'Grant the role that `sluice doctor` names; Sluice keeps trying.',
};

const UNREACHABLE: ErrorRule = {
  kind: 'transient',
  code: 'mongodb.unreachable',
  says: 'no suitable server answers',
  hint: 'Check the hosts of the URI, the network and TLS settings; Sluice keeps trying.',
};

const TLS: ErrorRule = {
  kind: 'transient',
  code: 'mongodb.tls',
  says: 'no TLS connection is possible',
  hint: 'Check tls.caFile and tls.certificateKeyFile, and that the host names of the URI are in the certificate.',
};

const UNSETTLED: ErrorRule = { kind: 'transient', code: 'mongodb.unsettled', says: 'the deployment is changing' };
const CURSOR_LOST: ErrorRule = { kind: 'transient', code: 'mongodb.cursor-lost', says: 'the server closed the cursor' };
const OVERLOADED: ErrorRule = { kind: 'transient', code: 'mongodb.overloaded', says: 'the server is overloaded' };

const POSITION_LOST: ErrorRule = {
  kind: 'position-lost',
  code: 'mongodb.position-lost',
  says: 'the oplog no longer holds what comes behind the position',
  hint: 'onPositionLost: resnapshot copies the collections again, onPositionLost: skip accepts the gap.',
};

const TOKEN_REFUSED: ErrorRule = {
  kind: 'config',
  code: 'mongodb.token-refused',
  says: 'the server does not accept the resume token',
  hint: 'The token may be of another deployment or of another filter. Continue by time: startAt.clusterTime.',
};

const BAD_TOKEN: ErrorRule = {
  kind: 'config',
  code: 'mongodb.bad-token',
  says: 'the server cannot read the resume token',
  hint: 'A token is the `_data` text of a change event; copy all of it.',
};

const PIPELINE_REFUSED: ErrorRule = {
  kind: 'config',
  code: 'mongodb.pipeline-refused',
  says: 'the server does not accept the pipeline',
  hint: 'Correct source.mongodb.pipeline.',
};

const PIPELINE_CHANGES_ID: ErrorRule = {
  kind: 'config',
  code: 'mongodb.pipeline-changes-id',
  says: 'the pipeline changed the _id of an event, which is its resume token',
  hint: 'Remove what touches _id from source.mongodb.pipeline.',
  quiet: true,
};

const NAMESPACE_REFUSED: ErrorRule = {
  kind: 'config',
  code: 'mongodb.namespace-refused',
  says: 'there is no change stream on such a namespace',
  hint: 'Change streams exist for ordinary collections and databases, not for views, time series or system collections.',
};

const NOT_A_REPLICA_SET: ErrorRule = {
  kind: 'config',
  code: 'mongodb.not-a-replica-set',
  says: 'a single server has no change streams',
  hint: 'Make it a replica set of one member: start mongod with --replSet rs0, then run rs.initiate().',
};

const IMAGE_MISSING: ErrorRule = {
  kind: 'config',
  code: 'mongodb.image-missing',
  says: 'an event has no image of its document, and the configuration requires one',
  hint:
    'Set changeStreamPreAndPostImages on the collection for what comes; to get past this event, set fullDocument or ' +
    'beforeImage to whenAvailable.',
};

const EVENT_TOO_LARGE: ErrorRule = {
  kind: 'config',
  code: 'mongodb.event-too-large',
  says: 'an event is larger than the server can send, even without its images',
  hint: 'Drop large fields of updateDescription with a $unset in source.mongodb.pipeline.',
};

const OVERTAKEN: ErrorRule = {
  kind: 'transient',
  code: 'mongodb.cursor-overtaken',
  says: 'the oplog was cut while the cursor was reading it',
};

const WRITE_UNCONFIRMED: ErrorRule = {
  kind: 'transient',
  code: 'mongodb.write-unconfirmed',
  says: 'a majority of the members did not confirm the write in time',
  hint: 'Check that a majority of the data-bearing members is up.',
};

const SNAPSHOT_TOO_OLD: ErrorRule = {
  kind: 'transient',
  code: 'mongodb.snapshot-too-old',
  says: 'the server no longer keeps the state of that time',
  hint: 'The documents are read again at a later time. If it stays so, raise minSnapshotHistoryWindowInSeconds.',
};

const SNAPSHOT_UNAVAILABLE: ErrorRule = {
  kind: 'transient',
  code: 'mongodb.snapshot-unavailable',
  says: 'the server cannot read as of that time',
  hint: 'The documents are read again at a later time.',
};

const CAPPED_COLLECTION: ErrorRule = {
  kind: 'config',
  code: 'mongodb.capped-collection',
  says: 'this version of the server has no snapshot reads of capped collections',
  hint: 'Leave the collection out of the snapshot.',
};

const COLLECTION_CHANGED: ErrorRule = {
  kind: 'transient',
  code: 'mongodb.collection-changed',
  says: 'the collection was dropped, renamed or created again',
  hint: 'The snapshot finds out which, and begins again with a new collection.',
};

const MATCH_REFUSED: ErrorRule = {
  kind: 'config',
  code: 'mongodb.match-refused',
  says: 'the server does not accept the filter of the snapshot',
  hint: 'Correct the filter; it is a query for find, without $text and $near.',
  // The server quotes values of documents.
  quiet: true,
};

const WRONG_OPTION: ErrorRule = {
  kind: 'config',
  code: 'mongodb.uri-invalid',
  says: 'the URI or an option is not valid',
  hint: 'Correct source.mongodb.uri or source.mongodb.tls.',
};

const BAD_FILE: ErrorRule = {
  kind: 'config',
  code: 'mongodb.tls-file',
  says: 'a TLS file cannot be read',
  hint: 'Check the paths in tls and their permissions.',
};

const UNKNOWN: ErrorRule = {
  kind: 'internal',
  code: 'mongodb.unexpected',
  says: 'of an error that is not known here',
  hint: 'Nothing was skipped. Report this error with its code.',
};

type Table = ReadonlyMap<number, ErrorRule>;

function table(rows: readonly (readonly [codes: readonly number[], rule: ErrorRule])[]): Table {
  return new Map(rows.flatMap(([codes, rule]) => codes.map((code) => [code, rule] as const)));
}

/** Codes that mean the same in every phase. Names are those of the server's error catalogue. */
const ANY_PHASE: Table = table([
  // AuthenticationFailed, MechanismUnavailable, AtlasError (which Atlas sends for bad credentials)
  [[18, 334, 8000], AUTHENTICATION],
  // Unauthorized; ReauthenticationRequired solves itself with the next connection
  [[13], UNAUTHORIZED],
  [[391], UNSETTLED],
  // HostUnreachable, HostNotFound, NetworkTimeout, SocketException, ShutdownInProgress, ClientDisconnect
  [[6, 7, 89, 9001, 91, 279], UNREACHABLE],
  // FailedToSatisfyReadPreference, PrimarySteppedDown, NotWritablePrimary, InterruptedAtShutdown,
  // InterruptedDueToReplStateChange, NotPrimaryNoSecondaryOk, NotPrimaryOrSecondary
  [[133, 189, 10107, 11600, 11602, 13435, 13436], UNSETTLED],
  // StaleShardVersion, StaleEpoch, StaleConfig, RetryChangeStream, KeyNotFound (signing keys), MovePrimaryInProgress,
  // NotYetInitialized, ReadConcernMajorityNotAvailableYet, SnapshotUnavailable, InterruptedDueToStorageChange,
  // ReplicaSetMonitorRemoved, ShardNotFound while the catalogue is refreshed
  [[63, 150, 13388, 234, 211, 390, 94, 134, 246, 355, 440, 70], UNSETTLED],
  // CursorNotFound, CursorKilled, CursorInUse, QueryPlanKilled, NoSuchSession
  [[43, 237, 12051, 175, 206], CURSOR_LOST],
  // MaxTimeMSExpired, LockTimeout, Interrupted, NetworkInterfaceExceededTimeLimit, ExceededTimeLimit,
  // TooManyConcurrentOperations and rate limits, ExceededMemoryLimit
  [[50, 24, 11601, 202, 262, 461, 462, 146], OVERLOADED],
  // ChangeStreamHistoryLost, ShardRemovedError
  [[286, 464], POSITION_LOST],
]);

const STREAM: Table = table([
  // CappedPositionLost: opening again gives 286
  [[136], OVERTAKEN],
  // ChangeStreamFatalError (told apart by its text below), InvalidResumeToken
  [[280, 260], TOKEN_REFUSED],
  // BSONObjectTooLarge, also with its name in later servers
  [[10334], EVENT_TOO_LARGE],
  [[47], IMAGE_MISSING],
]);

const OPEN: Table = table([
  // KeyString, Overflow, and the resume token's own checks
  [[50811, 15, 40647, 40648, 40649], BAD_TOKEN],
  // BadValue, FailedToParse, TypeMismatch, unknown stage, unknown expression
  [[2, 9, 14, 40324, 168], PIPELINE_REFUSED],
  // CommandNotSupportedOnView, InvalidNamespace, OptionNotSupportedOnView
  [[166, 73, 167], NAMESPACE_REFUSED],
  // The $changeStream stage on a standalone server
  [[40573], NOT_A_REPLICA_SET],
  // NamespaceNotFound: a mongos that does not know the database yet
  [[26], UNSETTLED],
]);

const SNAPSHOT: Table = table([
  [[239], SNAPSHOT_TOO_OLD],
  // SnapshotUnavailable: the catalogue entry of the collection is younger. InvalidOptions is told apart by its text.
  [[246, 72], SNAPSHOT_UNAVAILABLE],
  // CollectionUUIDMismatch
  [[361], COLLECTION_CHANGED],
  // BadValue, FailedToParse, TypeMismatch, unknown expression, IndexNotFound (of a $text)
  [[2, 9, 14, 168, 27], MATCH_REFUSED],
]);

const STATE: Table = table([
  // WriteConcernFailed, UnsatisfiableWriteConcern
  [[64, 100], WRITE_UNCONFIRMED],
  // WriteConflict, NoSuchTransaction, DuplicateKey of two first claims at once
  [[112, 251, 11000], UNSETTLED],
  // OutOfDiskSpace
  [[14031], { kind: 'transient', code: 'mongodb.disk-full', says: 'the disk of the server is full' }],
]);

const WRITE: Table = table([
  ...writeRules,
  // TransactionTooOld, TransactionCommitted, TransactionExceededLifetimeLimitSeconds, TransactionTooLargeForCache,
  // TransactionCoordinatorSteppingDown, TransactionCoordinatorReachedAbortDecision
  [[225, 256, 290, 313, 281, 282], UNSETTLED],
]);

/**
 * What the server says, under many codes, of a token that it cannot decode. It says so of its own tokens too: those of
 * documents with a fraction, an infinity or NaN in their `_id` need the field beside `_data` that tells the type.
 */
const UNREADABLE_TOKEN = /^KeyString format error/;

/** A time that the server has not reached yet is an invalid option to it. */
const INVALID_OPTIONS = 72;

const TABLES: Record<MongoPhase, readonly Table[]> = {
  connect: [ANY_PHASE],
  open: [OPEN, STREAM, ANY_PHASE],
  read: [STREAM, ANY_PHASE],
  snapshot: [SNAPSHOT, ANY_PHASE],
  state: [STATE, ANY_PHASE],
  write: [WRITE, STATE, ANY_PHASE],
  check: [ANY_PHASE],
};

/** The rule for an error that the server sent. */
export function serverErrorRule(error: MongoServerError, phase: MongoPhase): ErrorRule {
  const code = Number(error.code);
  if (phase === 'open' && UNREADABLE_TOKEN.test(error.message)) return BAD_TOKEN;
  const rule = TABLES[phase].find((rules) => rules.has(code))?.get(code);
  if (rule === TOKEN_REFUSED && /was modified by the pipeline/.test(error.message)) return PIPELINE_CHANGES_ID;
  if (rule === SNAPSHOT_UNAVAILABLE && /capped collections/.test(error.message)) return CAPPED_COLLECTION;
  if (code === INVALID_OPTIONS && !/atClusterTime/.test(error.message)) return UNKNOWN;
  if (rule !== undefined) return rule;
  // Codes of assertions (above 10000) are what the server has against the pipeline or filter.
  if ((phase === 'open' || phase === 'check') && isPipelineAssertion(code)) return PIPELINE_REFUSED;
  if (phase === 'snapshot' && isPipelineAssertion(code)) return MATCH_REFUSED;
  // What an index or a rule of the collection has against a document.
  if (phase === 'write' && isPipelineAssertion(code)) return DOCUMENT_REFUSED;
  if (hasTransientLabel(error)) return UNSETTLED;
  // Of documents, the server quotes values.
  return phase === 'snapshot' || phase === 'write' ? { ...UNKNOWN, quiet: true } : UNKNOWN;
}

const TRANSIENT_LABELS = [
  'ResumableChangeStreamError',
  'RetryableError',
  'SystemOverloadedError',
  'RetryableWriteError',
  'TransientTransactionError',
];

function hasTransientLabel(error: MongoServerError): boolean {
  return TRANSIENT_LABELS.some((label) => error.hasErrorLabel(label));
}

function isPipelineAssertion(code: number): boolean {
  return code >= 15_000 && code < 10_000_000;
}

const NETWORK_ERRORS = [
  'MongoNetworkError',
  'MongoNetworkTimeoutError',
  'MongoServerSelectionError',
  'MongoPoolClearedError',
  'MongoPoolClosedError',
  'MongoServerClosedError',
  'MongoTopologyClosedError',
  'MongoNotConnectedError',
  'MongoWaitQueueTimeoutError',
  'MongoOperationTimeoutError',
  'MongoExpiredSessionError',
  'MongoClientClosedError',
  'MongoUnexpectedServerResponseError',
  'MongoStalePrimaryError',
];

const OPTION_ERRORS = [
  'MongoParseError',
  'MongoInvalidArgumentError',
  'MongoMissingCredentialsError',
  'MongoMissingDependencyError',
  'MongoAPIError',
  'MongoCompatibilityError',
  'ERR_INVALID_URL',
];

/** The rule for an error that arose on this side of the connection. */
export function clientErrorRule(error: unknown, phase: MongoPhase): ErrorRule {
  const codes = codesOf(error);
  if (codes.some(isCertificateCode)) return TLS;
  const name = error instanceof Error ? error.name : '';
  if (NETWORK_ERRORS.includes(name)) return UNREACHABLE;
  if (phase === 'connect' && OPTION_ERRORS.includes(name)) return WRONG_OPTION;
  if (codes.some((code) => /^(ENOENT|EACCES|EISDIR|EPERM)$/.test(code))) return BAD_FILE;
  // The driver passes errors of the socket on as they are when it waits until a large command is sent.
  if (codes.some((code) => isNameCode(code) || isConnectionCode(code))) return UNREACHABLE;
  return UNKNOWN;
}

/** The codes of an error and of the errors behind it, nearest first. */
function codesOf(error: unknown): string[] {
  const codes: string[] = [];
  for (let at: unknown = error, depth = 0; at instanceof Error && depth < 6; at = at.cause, depth++) {
    if ('code' in at && typeof at.code === 'string') codes.push(at.code);
  }
  return codes;
}
