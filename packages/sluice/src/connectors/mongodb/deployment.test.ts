import assert from 'node:assert/strict';
import { test } from 'node:test';
import { atLeast, parseVersion, sameDeployment, splitsLargeEvents } from './deployment.ts';

test('versions compare by their numbers', () => {
  assert.deepEqual(parseVersion('6.0.5'), [6, 0, 5]);
  assert.deepEqual(parseVersion('8.1.0-rc2'), [8, 1, 0]);
  assert.equal(atLeast([6, 0, 10], [6, 0, 9]), true);
  assert.equal(atLeast([5, 9, 9], [6, 0, 0]), false);
  assert.equal(atLeast([7, 0, 0], [7, 0, 0]), true);
});

test('which servers split large events', () => {
  const splits = (text: string) => splitsLargeEvents(parseVersion(text));
  assert.deepEqual(['6.0.9', '6.0.20', '7.0.0', '8.0.4'].map(splits), [true, true, true, true]);
  assert.deepEqual(['5.0.30', '6.0.8', '6.3.1'].map(splits), [false, false, false]);
});

test('only what both sides know tells deployments apart', () => {
  assert.equal(sameDeployment('rs0/aa', 'rs0/aa'), true);
  assert.equal(sameDeployment('rs0/aa', 'rs0/bb'), false);
  assert.equal(sameDeployment('rs0', 'rs0/bb'), true);
  assert.equal(sameDeployment('rs0/aa', 'rs0'), true);
  assert.equal(sameDeployment('rs0', 'rs1'), false);
  assert.equal(sameDeployment('sharded/aa', 'rs0/aa'), false);
});
