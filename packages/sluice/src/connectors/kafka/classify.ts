import { isAbort, SluiceError } from '../../core/failure.ts';
import { errorFacts, type KafkaErrorFacts } from './error-facts.ts';
import { FOR_READERS, NO_NEW_GROUPS } from './reader-verdicts.ts';
import { authorization, type Verdict } from './verdict.ts';

/**
 * What was being done when an error came up:
 * `connect` reaching the brokers · `topics` looking at or creating topics · `produce` writing without transactions ·
 * `claim` taking over a transactional id · `transaction` everything inside a transaction · `commit` ending it ·
 * `read` reading a topic of our own · `consume` reading a topic for a source · `group` everything about its group.
 */
export type KafkaPhase =
  | 'connect'
  | 'topics'
  | 'produce'
  | 'claim'
  | 'transaction'
  | 'commit'
  | 'read'
  | 'consume'
  | 'group';

const AUTHENTICATION: Verdict = {
  kind: 'transient',
  code: 'kafka.authentication',
  what: 'Kafka refused the login',
  hint: 'Check `sasl` (mechanism, user name, password or token). It is tried again, so a corrected login is taken up.',
  quote: false,
};

const topicRefused = (what: string, hint: string): Verdict => ({
  kind: 'config',
  code: 'kafka.topic-refused',
  what,
  hint,
});

const STATE_LOST: Verdict = {
  kind: 'transient',
  code: 'kafka.producer-state-lost',
  what: 'the broker no longer knows the state of this producer',
};

const FENCED: Verdict = {
  kind: 'fenced',
  code: 'kafka.fenced',
  what: 'another owner has taken over this pipeline (a newer producer has its transactional id)',
  hint: 'Run each pipeline once only. Nothing was written by this one since.',
};

const TOO_LARGE: Verdict = {
  kind: 'rejected',
  code: 'kafka.record-too-large',
  what: 'the record is larger than its topic accepts',
  hint: 'Raise `max.message.bytes` of the topic, then replay the dead letter.',
};

const INVALID_RECORD: Verdict = {
  kind: 'rejected',
  code: 'kafka.record-invalid',
  what: 'the broker does not accept the record',
  hint: 'A compacted topic takes no records without a key, and a topic may limit timestamps.',
};

const UNSUPPORTED: Verdict = {
  kind: 'config',
  code: 'kafka.unsupported-version',
  what: 'the brokers are too old for this',
  hint: 'Apache Kafka 2.4 or newer is needed.',
};

/** Errors of the protocol by name, the more telling ones first: an answer may hold several. */
const BY_PROTOCOL_ERROR: Readonly<Record<string, Verdict>> = {
  PRODUCER_FENCED: FENCED,
  INVALID_PRODUCER_EPOCH: FENCED,
  SASL_AUTHENTICATION_FAILED: AUTHENTICATION,
  UNSUPPORTED_SASL_MECHANISM: AUTHENTICATION,
  ILLEGAL_SASL_STATE: AUTHENTICATION,
  TOPIC_AUTHORIZATION_FAILED: authorization(
    'the user may not use a topic',
    'Grant Describe and Write on the topics (and Create, if the pipeline creates them).',
  ),
  CLUSTER_AUTHORIZATION_FAILED: authorization(
    'the user may not do this in the cluster',
    'Grant Create on the cluster or set `createTopics.enabled: false`; brokers before 3.0 also want IdempotentWrite.',
  ),
  TRANSACTIONAL_ID_AUTHORIZATION_FAILED: authorization(
    'the user may not use the transactional id',
    'Grant Describe and Write on transactional ids with the prefix of `transactionalIdPrefix`.',
  ),
  GROUP_AUTHORIZATION_FAILED: authorization('the user may not use a consumer group', 'Grant Read on the group.'),
  INVALID_TRANSACTION_TIMEOUT: {
    kind: 'config',
    code: 'kafka.transaction-timeout',
    what: '`transactionTimeout` is longer than the brokers allow',
    hint: 'Lower it to at most `transaction.max.timeout.ms` of the brokers (15 minutes by default).',
  },
  UNSUPPORTED_VERSION: UNSUPPORTED,
  UNSUPPORTED_COMPRESSION_TYPE: {
    kind: 'config',
    code: 'kafka.compression',
    what: 'the topic does not take this compression',
    hint: 'Choose another `compression`.',
  },
  UNSUPPORTED_FOR_MESSAGE_FORMAT: UNSUPPORTED,
  INVALID_TOPIC_EXCEPTION: topicRefused('the topic name is not accepted', 'Change the `topic` template.'),
  INVALID_PARTITIONS: topicRefused('the number of partitions is not accepted', 'Change `createTopics.partitions`.'),
  INVALID_CONFIG: topicRefused('the topic settings are not accepted', 'Change `createTopics.config`.'),
  INVALID_REPLICA_ASSIGNMENT: topicRefused('the topic is not accepted', 'Change `createTopics`.'),
  POLICY_VIOLATION: topicRefused(
    'a policy of the brokers forbids this topic',
    'Change `createTopics`, or create the topic by hand.',
  ),
  TOPIC_DELETION_DISABLED: topicRefused('topics cannot be deleted', 'Enable it on the brokers.'),
  MESSAGE_TOO_LARGE: TOO_LARGE,
  RECORD_LIST_TOO_LARGE: TOO_LARGE,
  INVALID_RECORD,
  INVALID_TIMESTAMP: INVALID_RECORD,
  INVALID_REPLICATION_FACTOR: {
    kind: 'transient',
    code: 'kafka.replication-factor',
    what: 'there are fewer brokers than replicas wanted for a new topic',
    hint: 'Start the missing brokers, or lower `createTopics.replicationFactor`.',
  },
  OUT_OF_ORDER_SEQUENCE_NUMBER: STATE_LOST,
  UNKNOWN_PRODUCER_ID: STATE_LOST,
  INVALID_PRODUCER_ID_MAPPING: STATE_LOST,
  INVALID_TXN_STATE: STATE_LOST,
  TRANSACTION_ABORTABLE: STATE_LOST,
  TRANSACTIONAL_ID_NOT_FOUND: STATE_LOST,
  DUPLICATE_SEQUENCE_NUMBER: STATE_LOST,
  UNKNOWN_TOPIC_OR_PARTITION: {
    kind: 'transient',
    code: 'kafka.topic-gone',
    what: 'a topic or partition does not exist',
  },
  UNKNOWN_TOPIC_ID: { kind: 'transient', code: 'kafka.topic-gone', what: 'a topic was deleted or created anew' },
  NOT_ENOUGH_REPLICAS: notEnoughReplicas(),
  NOT_ENOUGH_REPLICAS_AFTER_APPEND: notEnoughReplicas(),
  KAFKA_STORAGE_ERROR: { kind: 'transient', code: 'kafka.storage', what: 'a broker cannot write to its disk' },
  CONCURRENT_TRANSACTIONS: {
    kind: 'transient',
    code: 'kafka.transaction-pending',
    what: 'the last transaction of this pipeline is still being completed',
  },
  UNKNOWN_SERVER_ERROR: {
    kind: 'transient',
    code: 'kafka.server-error',
    what: 'the broker failed',
    hint: 'See its log.',
  },
  BROKER_NOT_AVAILABLE: { kind: 'transient', code: 'kafka.not-available', what: 'a broker is not available' },
  TRANSACTION_COORDINATOR_FENCED: { kind: 'transient', code: 'kafka.not-available', what: 'the coordinator has moved' },
  OFFSET_OUT_OF_RANGE: {
    kind: 'transient',
    code: 'kafka.offset-gone',
    what: 'records were deleted while they were read',
  },
};

function notEnoughReplicas(): Verdict {
  return {
    kind: 'transient',
    code: 'kafka.not-enough-replicas',
    what: 'fewer replicas are in sync than `min.insync.replicas` asks for',
  };
}

/**
 * The error as a `SluiceError`: by protocol error and phase, then by what the client and Node say about the connection.
 * What nobody knows is `internal`. Errors that are classified already pass unchanged.
 */
export function classifyKafkaError(error: unknown, phase: KafkaPhase): SluiceError {
  if (error instanceof SluiceError) return error;
  const facts = errorFacts(error);
  const verdict = byProtocol(facts, phase) ?? byConnection(facts, phase) ?? unexpected(error);
  const words = verdict.quote === false ? '' : facts.said;
  const name = facts.protocolErrors[0];
  const details = [name, words].filter((part) => part !== undefined && part !== '').join(': ');
  return new SluiceError(details === '' ? verdict.what : `${verdict.what} (${details})`, {
    kind: verdict.kind,
    code: verdict.code,
    hint: verdict.hint,
    cause: error,
  });
}

function byProtocol(facts: KafkaErrorFacts, phase: KafkaPhase): Verdict | undefined {
  const reads = phase === 'group' || phase === 'consume';
  const known = reads ? { ...BY_PROTOCOL_ERROR, ...FOR_READERS } : BY_PROTOCOL_ERROR;
  for (const [name, verdict] of Object.entries(known)) {
    if (!facts.protocolErrors.includes(name)) continue;
    // Without a transactional id nobody can fence us: the broker has forgotten the producer.
    if (verdict === FENCED && phase === 'produce') return STATE_LOST;
    return verdict;
  }
  if (facts.protocolErrors.length === 0 || !facts.retriable) return undefined;
  return { kind: 'transient', code: 'kafka.not-available', what: 'Kafka cannot answer this now' };
}

function byConnection(facts: KafkaErrorFacts, phase: KafkaPhase): Verdict | undefined {
  if (facts.authentication) return AUTHENTICATION;
  if (facts.unsupported) return phase === 'group' ? NO_NEW_GROUPS : UNSUPPORTED;
  if (facts.tlsWanted) {
    return {
      kind: 'config',
      code: 'kafka.tls-required',
      what: 'the broker speaks TLS only',
      hint: 'Set `tls: true`, or a mapping with the certificate of its authority.',
    };
  }
  if (facts.certificate) {
    return {
      kind: 'transient',
      code: 'kafka.tls',
      what: 'no TLS connection to the broker',
      hint: 'Check `tls.ca`, the name in the certificate of the broker and its dates, and whether the port speaks TLS.',
    };
  }
  if (!facts.network) return undefined;
  if (phase === 'commit') {
    return {
      kind: 'transient',
      code: 'kafka.commit-unknown',
      what: 'the connection was lost while a transaction was committed; the next start finds out whether it was',
    };
  }
  return {
    kind: 'transient',
    code: facts.timeout ? 'kafka.timeout' : 'kafka.unreachable',
    what: facts.timeout ? 'Kafka did not answer in time' : 'no connection to Kafka',
    hint:
      phase === 'connect' ? 'Check `brokers`, and that the addresses the brokers advertise can be reached.' : undefined,
  } as Verdict;
}

function unexpected(error: unknown): Verdict {
  const message = error instanceof Error ? error.message : String(error);
  return { kind: 'internal', code: 'kafka.unexpected', what: `unexpected error from the Kafka client: ${message}` };
}

/** The error to throw out of an operation: an abort that was asked for passes unchanged, everything else is classified. */
export function failureOf(error: unknown, phase: KafkaPhase, signal: AbortSignal): unknown {
  return isAbort(error, signal) ? error : classifyKafkaError(error, phase);
}
