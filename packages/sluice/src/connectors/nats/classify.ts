import { type FailureKind, isAbort, SluiceError } from '../../core/failure.ts';
import { errorFacts, type NatsErrorFacts } from './error-facts.ts';

/**
 * What was being done when an error came up: `connect` reaching the servers · `stream` looking at or creating the
 * stream · `claim` taking a partition over · `publish` writing · `read` reading messages · `consumer` looking at or
 * creating a consumer.
 */
export type NatsPhase = 'connect' | 'stream' | 'claim' | 'publish' | 'read' | 'consumer';

interface Verdict {
  readonly kind: FailureKind;
  readonly code: string;
  readonly what: string;
  readonly hint?: string | undefined;
  /** False: the server's own words are left out, because they may tell about credentials. */
  readonly quote?: boolean;
}

/** JetStream's error codes that this connector acts on. */
export const JetStreamCode = {
  /** An expected sequence is not the last one. */
  wrongLastSequence: 10071,
  /** The same, because another message with the same expectation is under way (replicated streams). */
  expectationInUse: 10164,
  streamNotFound: 10059,
  consumerNotFound: 10014,
  batchIncomplete: 10176,
  batchTooLarge: 10199,
  batchHasDuplicate: 10201,
} as const;

const RESOURCES: Verdict = {
  kind: 'transient',
  code: 'nats.resources',
  what: 'JetStream has reached a limit of the server or the account',
  hint: 'Free or add storage, or raise the limits. It is tried again.',
};

const NOT_ENABLED: Verdict = {
  kind: 'transient',
  code: 'nats.jetstream-disabled',
  what: 'JetStream is not enabled for this account',
  hint: 'Start nats-server with `-js` (or a `jetstream` block), and give the account JetStream limits.',
};

const TOO_LARGE: Verdict = {
  kind: 'rejected',
  code: 'nats.message-too-large',
  what: 'the message is larger than the stream accepts',
  hint: 'Raise `max_msg_size` of the stream, then replay the dead letter.',
};

const BY_JETSTREAM_CODE: Readonly<Record<number, Verdict>> = {
  10002: RESOURCES,
  10023: RESOURCES,
  10028: RESOURCES,
  10047: RESOURCES,
  10039: NOT_ENABLED,
  10076: NOT_ENABLED,
  10054: TOO_LARGE,
  10077: {
    kind: 'transient',
    code: 'nats.stream-full',
    what: 'the stream takes no more messages',
    hint: 'Raise its limits or let its consumers catch up; it goes on by itself then.',
  },
  [JetStreamCode.wrongLastSequence]: {
    kind: 'transient',
    code: 'nats.wrong-sequence',
    what: 'the stream is not where it was expected to be',
  },
  [JetStreamCode.expectationInUse]: {
    kind: 'transient',
    code: 'nats.wrong-sequence',
    what: 'the stream is still busy with an earlier message',
  },
  [JetStreamCode.consumerNotFound]: {
    kind: 'transient',
    code: 'nats.consumer-missing',
    what: 'the consumer does not exist',
  },
  [JetStreamCode.streamNotFound]: { kind: 'transient', code: 'nats.stream-gone', what: 'the stream does not exist' },
  10005: {
    kind: 'transient',
    code: 'nats.no-peers',
    what: 'there are not enough servers for the replicas of the stream',
    hint: 'Start the missing servers, or lower `createStream.replicas`.',
  },
  10052: {
    kind: 'config',
    code: 'nats.stream-refused',
    what: 'JetStream does not accept the stream',
    hint: 'Change `subject`, `createStream` or `recordPrefix`, or create the stream by hand.',
  },
  10065: {
    kind: 'config',
    code: 'nats.subjects-overlap',
    what: 'another stream takes some of the subjects already',
    hint: 'Set `subject` and `createStream.subjects` to subjects that no other stream has (`nats stream ls --subjects`).',
  },
  10074: {
    kind: 'config',
    code: 'nats.replicas',
    what: 'a single server cannot keep replicas',
    hint: 'Set `createStream.replicas: 1`, or use a cluster.',
  },
};

const AUTHENTICATION: Verdict = {
  kind: 'transient',
  code: 'nats.authentication',
  what: 'NATS refused the login',
  hint: 'Check `login`. It is tried again, so a corrected login is taken up.',
  quote: false,
};

/**
 * The error as a `SluiceError`: by JetStream's answer, then by what the client and Node say about the connection. What
 * nobody knows is `internal`. Errors that are classified already pass unchanged.
 */
export function classifyNatsError(error: unknown, phase: NatsPhase): SluiceError {
  if (error instanceof SluiceError) return error;
  const facts = errorFacts(error);
  const verdict = byAnswer(facts, phase) ?? byClient(facts) ?? byConnection(facts, phase) ?? unexpected();
  const words = verdict.quote === false || facts.said === '' ? '' : ` (${facts.said})`;
  return new SluiceError(`${verdict.what}${words}`, {
    kind: verdict.kind,
    code: verdict.code,
    hint: verdict.hint,
    cause: error,
  });
}

function byAnswer({ jetStream }: NatsErrorFacts, phase: NatsPhase): Verdict | undefined {
  if (jetStream === undefined) return undefined;
  const known = BY_JETSTREAM_CODE[jetStream.code];
  if (known !== undefined) return known;
  if (jetStream.status >= 429) {
    return { kind: 'transient', code: 'nats.not-available', what: `JetStream cannot do this now (${jetStream.code})` };
  }
  if (phase === 'consumer') {
    return {
      kind: 'config',
      code: 'nats.consumer-refused',
      what: `JetStream does not accept the consumer (${jetStream.code})`,
      hint: 'Change `subjects` or `partitions`, or the limits of the stream for its consumers.',
    };
  }
  if (phase !== 'stream') return undefined;
  return {
    kind: 'config',
    code: 'nats.stream-refused',
    what: `JetStream does not accept the stream (${jetStream.code})`,
    hint: 'Change `createStream`, or create the stream by hand.',
  };
}

function byClient({ names }: NatsErrorFacts): Verdict | undefined {
  if (names.includes('AuthorizationError') || names.includes('UserAuthenticationExpiredError')) return AUTHENTICATION;
  if (names.includes('PermissionViolationError')) {
    return {
      kind: 'transient',
      code: 'nats.authorization',
      what: 'the user may not do this',
      hint: 'Grant publish on the subjects of the stream and on `$JS.API.>`, and subscribe on `_INBOX.>`. It is tried again, so a new permission is taken up.',
    };
  }
  if (names.includes('JetStreamNotEnabled')) return NOT_ENABLED;
  if (names.includes('NoResponders')) {
    return {
      kind: 'transient',
      code: 'nats.no-stream',
      what: 'no stream takes the message',
      hint: 'Check that JetStream runs and that the stream exists and has a leader.',
    };
  }
  return undefined;
}

function byConnection(facts: NatsErrorFacts, phase: NatsPhase): Verdict | undefined {
  const { names } = facts;
  if (facts.certificate) {
    return {
      kind: 'transient',
      code: 'nats.tls',
      what: 'no TLS connection to NATS',
      hint: 'Check `tls.ca`, the name in the certificate of the server and its dates, and the client certificate.',
    };
  }
  if (names.includes('TimeoutError')) {
    return { kind: 'transient', code: 'nats.timeout', what: 'NATS did not answer in time' };
  }
  const lost = ['ClosedConnectionError', 'ConnectionError', 'DrainingConnectionError', 'RequestError', 'ProtocolError'];
  if (!facts.network && !names.some((name) => lost.includes(name))) return undefined;
  const hint = phase === 'connect' ? 'Check `servers`, and whether they want `tls`.' : undefined;
  return { kind: 'transient', code: 'nats.unreachable', what: 'no connection to NATS', hint };
}

function unexpected(): Verdict {
  return {
    kind: 'internal',
    code: 'nats.unexpected',
    what: 'unexpected error from the NATS client',
  };
}

/** The error to throw out of an operation: an abort that was asked for passes unchanged, everything else is classified. */
export function failureOf(error: unknown, phase: NatsPhase, signal: AbortSignal): unknown {
  return isAbort(error, signal) ? error : classifyNatsError(error, phase);
}
