import assert from 'node:assert/strict';
import { test } from 'node:test';
import { clusterTimeOf } from '../core/change-event.ts';
import { testEvent } from '../testing/events.ts';
import { RelayedEvent } from './relayed-event.ts';
import { ReshapedEvent } from './reshaped-event.ts';

test('a relayed event stays one when its images are replaced, and keeps the time of its source', () => {
  const event = testEvent();
  const position = { token: '000000000005', clusterTime: { t: 2_000_000_000, i: 0 } };
  assert.equal(new ReshapedEvent(event, { after: null }).relayed, false);
  const relayed = new RelayedEvent(event, position);
  const reshaped = new ReshapedEvent(new ReshapedEvent(relayed, { after: null }), { before: null });
  assert.equal(reshaped.relayed, true);
  assert.deepEqual(clusterTimeOf(reshaped), clusterTimeOf(relayed));
  assert.deepEqual(clusterTimeOf(reshaped), event.version.clusterTime);
  assert.notDeepEqual(clusterTimeOf(reshaped), position.clusterTime);
});
