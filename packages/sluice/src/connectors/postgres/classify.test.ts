import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DatabaseError } from 'pg';
import { SluiceError } from '../../core/failure.ts';
import {
  failureOf,
  failureUnlessAbort,
  isConflict,
  isRowRefusal,
  isSerializationFailure,
  isTableRefusal,
  isUniqueConflict,
  NoAnswerError,
  rowRefused,
} from './classify.ts';

function refused(code: string, fields: Partial<DatabaseError> = {}): DatabaseError {
  return Object.assign(new DatabaseError('invalid input: "private"', 10, 'error'), { code, ...fields });
}

test('errors of the server mean what their SQLSTATE says', () => {
  const cases: Readonly<Record<string, readonly [kind: string, code: string]>> = {
    '28P01': ['transient', 'postgres.authentication'],
    '3D000': ['transient', 'postgres.no-database'],
    '42501': ['transient', 'postgres.privilege'],
    '53100': ['transient', 'postgres.resources'],
    '53300': ['transient', 'postgres.resources'],
    '57014': ['transient', 'postgres.timeout'],
    '57P01': ['transient', 'postgres.shutdown'],
    '57P03': ['transient', 'postgres.shutdown'],
    '40P01': ['transient', 'postgres.conflict'],
    '40001': ['transient', 'postgres.conflict'],
    '25006': ['transient', 'postgres.read-only'],
    '42P01': ['transient', 'postgres.table-missing'],
    '08006': ['transient', 'postgres.connection-lost'],
    '42P10': ['config', 'postgres.table-unsuitable'],
    '42601': ['internal', 'postgres.unexpected'],
    XX000: ['transient', 'postgres.server-error'],
    XX001: ['config', 'postgres.corrupted'],
    '26000': ['config', 'postgres.pooler'],
    '42P05': ['config', 'postgres.pooler'],
    '55000': ['transient', 'postgres.object-state'],
    '55006': ['transient', 'postgres.object-state'],
  };
  for (const [state, [kind, code]] of Object.entries(cases)) {
    const failure = failureOf(refused(state), 'write', 'write to shop.orders');
    assert.deepEqual([failure.kind, failure.code], [kind, code], state);
    assert.ok(failure.message.includes('shop.orders') && failure.message.includes(state), failure.message);
  }
});

test('what two processes make at the same time is tried again, elsewhere it is unexpected', () => {
  assert.equal(failureOf(refused('42P07'), 'tables', 'x').kind, 'transient');
  assert.equal(failureOf(refused('23505'), 'tables', 'x').kind, 'transient');
  assert.equal(failureOf(refused('42P07'), 'write', 'x').kind, 'internal');
});

test('errors of sockets, TLS and the client library', () => {
  const withCode = (code: string) => Object.assign(new Error('x'), { code });
  const cases: readonly (readonly [unknown, string, string])[] = [
    [withCode('ECONNREFUSED'), 'postgres.unreachable', 'transient'],
    [new AggregateError([withCode('ECONNREFUSED')]), 'postgres.unreachable', 'transient'],
    [withCode('ENOTFOUND'), 'postgres.unreachable', 'transient'],
    [withCode('SELF_SIGNED_CERT_IN_CHAIN'), 'postgres.tls', 'transient'],
    [withCode('ERR_TLS_CERT_ALTNAME_INVALID'), 'postgres.tls', 'transient'],
    [new Error('The server does not support SSL connections'), 'postgres.tls', 'transient'],
    [
      new Error('SASL: SCRAM-SERVER-FIRST-MESSAGE: client password must be a string'),
      'postgres.authentication',
      'transient',
    ],
    [new Error('Connection terminated unexpectedly'), 'postgres.unreachable', 'transient'],
    [new NoAnswerError('no answer'), 'postgres.timeout', 'transient'],
    [new TypeError('x is not a function'), 'postgres.unexpected', 'internal'],
  ];
  for (const [error, code, kind] of cases) {
    const failure = failureOf(error, 'connect', 'connect');
    assert.deepEqual([failure.code, failure.kind], [code, kind], String(error));
  }
  assert.equal(failureOf(withCode('ECONNRESET'), 'write', 'write').code, 'postgres.connection-lost');
});

test('only errors about values of a row are refusals of a row', () => {
  for (const state of [
    '22P02',
    '22P05',
    '22003',
    '22008',
    '23502',
    '23505',
    '23514',
    '54000',
    '54001',
    'P0001',
    '44000',
  ]) {
    assert.ok(isRowRefusal(refused(state)), state);
  }
  for (const state of ['42P01', '40001', '53100', '57014', '42501', 'XX000'])
    assert.ok(!isRowRefusal(refused(state)), state);
  assert.ok(!isRowRefusal(new Error('x')));
  assert.ok(isUniqueConflict(refused('23505')) && !isUniqueConflict(refused('23514')));
  assert.ok(isSerializationFailure(refused('40P01')) && !isSerializationFailure(refused('57014')));
});

test('what a function of the user raises is about its row, unless others or the server were in the way', () => {
  const raised = (code: string) => refused(code, { routine: 'exec_stmt_raise' });
  for (const state of ['P0001', 'P0002', 'ZZ001', '42501', '0A000', 'XX000']) {
    assert.ok(isRowRefusal(raised(state)), state);
    assert.ok(isTableRefusal(raised(state)), state);
    assert.match(rowRefused(raised(state), 't').message, /a trigger, view or policy/);
    assert.doesNotMatch(failureOf(raised(state), 'write', 'x').message, /private/);
  }
  for (const state of ['40001', '53100', '57014', '55P03']) assert.ok(!isRowRefusal(raised(state)), state);
  assert.ok(isRowRefusal(refused('42501', { routine: 'ExecWithCheckOptions' })));
  assert.ok(!isRowRefusal(refused('ZZ001')));
  const inside = refused('42P01', { where: 'PL/pgSQL function audit() line 3 at SQL statement' });
  assert.doesNotMatch(failureOf(inside, 'write', 'x').message, /private/);
});

test('conflicts may go away, and refusals of a constraint may be those of every row', () => {
  for (const state of ['23505', '23P01', '23503']) {
    assert.ok(isConflict(refused(state)), state);
    assert.ok(!isTableRefusal(refused(state)), state);
  }
  for (const state of ['23514', '22P02', 'P0001']) assert.ok(!isConflict(refused(state)), state);
  for (const state of ['23502', '23514', '44000', 'P0001']) assert.ok(isTableRefusal(refused(state)), state);
  for (const state of ['22P02', '54000']) assert.ok(!isTableRefusal(refused(state)), state);
});

test('a refused row is told without its values', () => {
  const error = refused('23514', { constraint: 'positive', detail: 'Failing row contains (private).' });
  const failure = rowRefused(error, 'shop.orders');
  assert.deepEqual([failure.kind, failure.code], ['rejected', 'postgres.row-refused']);
  assert.match(failure.message, /shop\.orders.*23514.*constraint positive/);
  assert.doesNotMatch(`${failure.message} ${failure.hint}`, /private/);
  assert.equal(failure.cause, undefined);
  assert.doesNotMatch(failureOf(refused('22P02'), 'state', 'x').message, /private/);
});

test('aborts and errors that are classified come through unchanged', () => {
  const controller = new AbortController();
  const reason = new Error('stop');
  controller.abort(reason);
  assert.equal(failureUnlessAbort(reason, 'write', 'x', controller.signal), reason);
  const known = new SluiceError('x', { kind: 'fenced', code: 'x.y' });
  assert.equal(failureOf(known, 'write', 'x'), known);
});
