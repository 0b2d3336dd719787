import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  AuthenticationError,
  MultipleErrors,
  NetworkError,
  ProtocolError,
  protocolErrors,
  ResponseError,
  TimeoutError,
  UnsupportedApiError,
  UserError,
} from '@platformatic/kafka';
import { type FailureKind, SluiceError } from '../../core/failure.ts';
import { classifyKafkaError, failureOf, type KafkaPhase } from './classify.ts';

const PHASES: readonly KafkaPhase[] = [
  'connect',
  'topics',
  'produce',
  'claim',
  'transaction',
  'commit',
  'read',
  'consume',
  'group',
];

function verdict(error: unknown, phase: KafkaPhase = 'produce'): [FailureKind, string] {
  const { kind, code } = classifyKafkaError(error, phase);
  return [kind, code];
}

function nodeError(code: string): Error {
  return Object.assign(new Error(`node says ${code}`), { code });
}

test('protocol errors by what they mean for the pipeline', () => {
  for (const [name, kind, code] of [
    ['MESSAGE_TOO_LARGE', 'rejected', 'kafka.record-too-large'],
    ['RECORD_LIST_TOO_LARGE', 'rejected', 'kafka.record-too-large'],
    ['INVALID_RECORD', 'rejected', 'kafka.record-invalid'],
    ['INVALID_TIMESTAMP', 'rejected', 'kafka.record-invalid'],
    ['NOT_LEADER_OR_FOLLOWER', 'transient', 'kafka.not-available'],
    ['LEADER_NOT_AVAILABLE', 'transient', 'kafka.not-available'],
    ['COORDINATOR_LOAD_IN_PROGRESS', 'transient', 'kafka.not-available'],
    ['REQUEST_TIMED_OUT', 'transient', 'kafka.not-available'],
    ['THROTTLING_QUOTA_EXCEEDED', 'transient', 'kafka.not-available'],
    ['NOT_ENOUGH_REPLICAS', 'transient', 'kafka.not-enough-replicas'],
    ['KAFKA_STORAGE_ERROR', 'transient', 'kafka.storage'],
    ['UNKNOWN_SERVER_ERROR', 'transient', 'kafka.server-error'],
    ['UNKNOWN_TOPIC_OR_PARTITION', 'transient', 'kafka.topic-gone'],
    ['INVALID_REPLICATION_FACTOR', 'transient', 'kafka.replication-factor'],
    ['OUT_OF_ORDER_SEQUENCE_NUMBER', 'transient', 'kafka.producer-state-lost'],
    ['UNKNOWN_PRODUCER_ID', 'transient', 'kafka.producer-state-lost'],
    ['TOPIC_AUTHORIZATION_FAILED', 'transient', 'kafka.authorization'],
    ['CLUSTER_AUTHORIZATION_FAILED', 'transient', 'kafka.authorization'],
    ['TRANSACTIONAL_ID_AUTHORIZATION_FAILED', 'transient', 'kafka.authorization'],
    ['SASL_AUTHENTICATION_FAILED', 'transient', 'kafka.authentication'],
    ['INVALID_TRANSACTION_TIMEOUT', 'config', 'kafka.transaction-timeout'],
    ['INVALID_TOPIC_EXCEPTION', 'config', 'kafka.topic-refused'],
    ['POLICY_VIOLATION', 'config', 'kafka.topic-refused'],
    ['INVALID_CONFIG', 'config', 'kafka.topic-refused'],
    ['UNSUPPORTED_VERSION', 'config', 'kafka.unsupported-version'],
    ['UNSUPPORTED_COMPRESSION_TYPE', 'config', 'kafka.compression'],
    ['FENCED_INSTANCE_ID', 'internal', 'kafka.unexpected'],
  ] as const) {
    assert.deepEqual(verdict(new ProtocolError(name)), [kind, code], name);
  }
});

test('for somebody who reads in a group, errors have a meaning of their own', () => {
  for (const [name, kind, code] of [
    ['FENCED_MEMBER_EPOCH', 'transient', 'kafka.membership-lost'],
    ['UNKNOWN_MEMBER_ID', 'transient', 'kafka.membership-lost'],
    ['STALE_MEMBER_EPOCH', 'transient', 'kafka.member-epoch'],
    ['UNRELEASED_INSTANCE_ID', 'transient', 'kafka.instance-id-taken'],
    ['FENCED_INSTANCE_ID', 'fenced', 'kafka.instance-id-taken'],
    ['GROUP_ID_NOT_FOUND', 'config', 'kafka.group-type'],
    ['GROUP_AUTHORIZATION_FAILED', 'transient', 'kafka.authorization'],
    ['NOT_LEADER_OR_FOLLOWER', 'transient', 'kafka.not-available'],
    ['UNSUPPORTED_VERSION', 'config', 'kafka.unsupported-version'],
  ] as const) {
    assert.deepEqual(verdict(new ProtocolError(name), 'group'), [kind, code], name);
  }
  assert.match(classifyKafkaError(new ProtocolError('UNSUPPORTED_VERSION'), 'group').hint ?? '', /Kafka 4\.0/);
  assert.match(classifyKafkaError(new ProtocolError('TOPIC_AUTHORIZATION_FAILED'), 'consume').hint ?? '', /Read/);
});

test('a fenced producer has a successor only where it has a transactional id', () => {
  for (const name of ['PRODUCER_FENCED', 'INVALID_PRODUCER_EPOCH']) {
    for (const phase of ['claim', 'transaction', 'commit'] as const) {
      assert.deepEqual(verdict(new ProtocolError(name), phase), ['fenced', 'kafka.fenced']);
    }
    assert.deepEqual(verdict(new ProtocolError(name), 'produce'), ['transient', 'kafka.producer-state-lost']);
  }
});

test('every protocol error has a verdict in every phase, and only unknown ones are ours to fix', () => {
  for (const { id, canRetry } of Object.values(protocolErrors)) {
    for (const phase of PHASES) {
      const { kind, code, message } = classifyKafkaError(new ProtocolError(id), phase);
      assert.match(code, /^kafka\.[a-z-]+$/);
      assert.ok(message.includes(id) || code === 'kafka.unexpected', `${id}: ${message}`);
      if (canRetry) assert.equal(kind, 'transient', id);
    }
  }
});

test('the most telling error of several is taken', () => {
  const response = new ResponseError(24, 3, { '/a': [55, null], '/b': [29, null] }, {});
  assert.deepEqual(verdict(response, 'transaction'), ['transient', 'kafka.authorization']);
  const nobody = new MultipleErrors('Cannot connect to any broker.', [
    new NetworkError('Connection to a failed.', { cause: nodeError('ECONNREFUSED') }),
    new NetworkError('Connection to b failed.', { cause: new AuthenticationError('SASL authentication failed.') }),
  ]);
  assert.deepEqual(verdict(nobody, 'connect'), ['transient', 'kafka.authentication']);
});

test('what the connection says', () => {
  const failed = (cause: Error) => new NetworkError('Connection to b:1 failed.', { cause });
  for (const [error, kind, code] of [
    [failed(nodeError('ECONNREFUSED')), 'transient', 'kafka.unreachable'],
    [failed(nodeError('ENOTFOUND')), 'transient', 'kafka.unreachable'],
    [new NetworkError('Connection closed'), 'transient', 'kafka.unreachable'],
    [new TimeoutError('Request timed out'), 'transient', 'kafka.timeout'],
    [failed(nodeError('SELF_SIGNED_CERT_IN_CHAIN')), 'transient', 'kafka.tls'],
    [failed(nodeError('ERR_TLS_CERT_ALTNAME_INVALID')), 'transient', 'kafka.tls'],
    [failed(nodeError('CERT_HAS_EXPIRED')), 'transient', 'kafka.tls'],
    [failed(new UserError('TLS handshake failed. Please verify the broker supports TLS.')), 'transient', 'kafka.tls'],
    [new UserError('Broker requires TLS.'), 'config', 'kafka.tls-required'],
    [new UnsupportedApiError('Unsupported API Produce.'), 'config', 'kafka.unsupported-version'],
  ] as const) {
    assert.deepEqual(verdict(error, 'connect'), [kind, code], String(error));
  }
});

test('a connection that is lost while committing leaves the outcome open', () => {
  assert.deepEqual(verdict(new NetworkError('Connection closed'), 'commit'), ['transient', 'kafka.commit-unknown']);
  assert.deepEqual(verdict(new TimeoutError('Request timed out'), 'commit'), ['transient', 'kafka.commit-unknown']);
});

test('what nobody knows is internal, keeps its cause and says what it was', () => {
  for (const unknown of [new TypeError('x is not a function'), 'text', undefined, { code: 5 }]) {
    const error = classifyKafkaError(unknown, 'produce');
    assert.equal(error.kind, 'internal');
    assert.equal(error.cause, unknown);
  }
  assert.match(classifyKafkaError(new TypeError('x is not a function'), 'read').message, /x is not a function/);
});

test('a login that is refused is told without the words of the broker', () => {
  const error = classifyKafkaError(
    new ProtocolError('SASL_AUTHENTICATION_FAILED', 'user canary is unknown'),
    'connect',
  );
  assert.doesNotMatch(error.message, /canary/);
  assert.match(error.hint ?? '', /sasl/);
});

test('classified errors and aborts pass unchanged', () => {
  const known = new SluiceError('known', { kind: 'config', code: 'x.y' });
  assert.equal(classifyKafkaError(known, 'produce'), known);
  const controller = new AbortController();
  const reason = new Error('stop');
  assert.notEqual(failureOf(reason, 'produce', controller.signal), reason);
  controller.abort(reason);
  assert.equal(failureOf(reason, 'produce', controller.signal), reason);
});
