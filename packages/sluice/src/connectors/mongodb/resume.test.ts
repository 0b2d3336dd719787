import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SluiceError } from '../../core/failure.ts';
import type { Position } from '../../core/position.ts';
import { configuredStart, resumedStart, startAfterFailure, startBehind } from './resume.ts';

const binding = { deployment: 'rs0/aa', fingerprint: 'f1' };
const TIME = { t: 0x6b01326b, i: 5 };
const position: Position = { token: '826B01326B000000052B022C0100296E5A1004', clusterTime: TIME };
const later: Position = { token: '826B01326B000000062B0229296E04', clusterTime: { t: 0x6b01326b, i: 6 } };
const failure = (code: string) => new SluiceError('x', { kind: 'config', code });
const nothingSeen = { position: undefined, sawEvent: false };

test('the configured start', () => {
  assert.deepEqual(configuredStart('now').point, { kind: 'now' });
  assert.deepEqual(configuredStart({ clusterTime: '7,1' }).point, { kind: 'time', clusterTime: { t: 7, i: 1 } });
  assert.deepEqual(configuredStart({ token: '82ab' }).point, { kind: 'after', token: '82AB' });
});

test('behind a checkpoint with the same selection: the token', () => {
  const start = resumedStart({ position, binding: { ...binding, deployment: 'rs0' } }, binding);
  assert.deepEqual(start.point, { kind: 'after', token: position.token });
  assert.equal(start.skipThrough, undefined);
});

test('behind a checkpoint with another selection: the time, without what was delivered', () => {
  const start = resumedStart({ position, binding: { ...binding, fingerprint: 'f2' } }, binding);
  assert.deepEqual(start.point, { kind: 'time', clusterTime: TIME });
  assert.equal(start.skipThrough, position);
});

test('a position that is only a time begins at it', () => {
  const start = resumedStart({ position: { ...position, token: '' }, binding }, binding);
  assert.deepEqual(start.point, { kind: 'time', clusterTime: TIME });
  assert.equal(start.skipThrough, undefined);
});

test('a checkpoint of another deployment is refused, with both named', () => {
  assert.throws(() => resumedStart({ position, binding: { ...binding, deployment: 'rs0/bb' } }, binding), {
    kind: 'config',
    code: 'checkpoint.other-deployment',
    message: /rs0\/bb.*rs0\/aa/,
  });
});

test('what is no token is refused', () => {
  assert.throws(() => resumedStart({ position: { ...position, token: 'offset-7' }, binding }, binding), {
    code: 'mongodb.bad-token',
  });
});

test('a refused token is replaced by its time, once', () => {
  const start = startBehind(position);
  const next = startAfterFailure(start, failure('mongodb.token-refused'), nothingSeen);
  assert.deepEqual(next?.point, { kind: 'time', clusterTime: TIME });
  assert.deepEqual(next?.skipThrough, position);
  assert.ok(next);
  assert.equal(startAfterFailure(next, failure('mongodb.token-refused'), nothingSeen), undefined);
});

test('after heartbeats the fallback begins at the position they reached', () => {
  const progress = { position: later, sawEvent: false };
  const next = startAfterFailure(startBehind(position), failure('mongodb.token-refused'), progress);
  assert.deepEqual(next?.skipThrough, later);
});

test('once events came, or for a token from the configuration, there is no fallback', () => {
  const refused = failure('mongodb.token-refused');
  assert.equal(startAfterFailure(startBehind(position), refused, { position: later, sawEvent: true }), undefined);
  assert.equal(startAfterFailure(configuredStart({ token: position.token }), refused, nothingSeen), undefined);
});

test('a change that is too large is read without its images, from where the stream is', () => {
  const tooLarge = failure('mongodb.event-too-large');
  const next = startAfterFailure(startBehind(position), tooLarge, { position: later, sawEvent: true });
  assert.deepEqual(next?.point, { kind: 'after', token: later.token });
  assert.equal(next?.dropImages, true);
  assert.ok(next);
  assert.equal(startAfterFailure(next, tooLarge, nothingSeen), undefined, 'not twice');
});

test('a start at a time survives a change that is too large, and a refusal keeps leaving the images out', () => {
  const tooLarge = failure('mongodb.event-too-large');
  const changed = resumedStart({ position, binding: { ...binding, fingerprint: 'f2' } }, binding);
  const heartbeat = { position, sawEvent: false };
  const next = startAfterFailure(changed, tooLarge, heartbeat);
  assert.deepEqual(next, { ...changed, dropImages: true });
  const refused = startAfterFailure(
    { ...startBehind(position), dropImages: true },
    failure('mongodb.bad-token'),
    heartbeat,
  );
  assert.equal(refused?.dropImages, true);
});

test('other failures are not for the source to deal with', () => {
  for (const code of ['mongodb.position-lost', 'mongodb.unreachable', 'mongodb.pipeline-changes-id']) {
    assert.equal(startAfterFailure(startBehind(position), failure(code), nothingSeen), undefined);
  }
});
