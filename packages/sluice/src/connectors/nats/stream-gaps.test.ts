import assert from 'node:assert/strict';
import { test } from 'node:test';
import { silentLogger } from '../../core/logger.ts';
import { StreamGaps } from './stream-gaps.ts';

function gapsWith(policy: 'fail' | 'skip', watched = true) {
  const skipped: true[] = [];
  const onSkipped = () => void skipped.push(true);
  return { gaps: new StreamGaps({ durable: 'd', watched, policy, logger: silentLogger, onSkipped }), skipped };
}

test('messages that were deleted one by one are no loss', () => {
  const { gaps, skipped } = gapsWith('fail');
  gaps.note(5, 5);
  gaps.note(6, 9);
  assert.deepEqual(gaps.open, [{ from: 6, to: 8 }]);
  gaps.judge(gaps.open, 6);
  assert.deepEqual([gaps.open, skipped], [[], []]);
});

test('messages in front of the first one of the stream are lost', () => {
  const { gaps } = gapsWith('fail');
  gaps.note(2, 4);
  gaps.note(6, 9);
  assert.throws(() => gaps.judge(gaps.open, 8), { kind: 'position-lost', message: /messages 2 to 3 were removed/ });
  const skipping = gapsWith('skip');
  skipping.gaps.note(6, 9);
  const judged = skipping.gaps.open;
  skipping.gaps.note(12, 14);
  skipping.gaps.judge(judged, 8);
  assert.deepEqual([skipping.gaps.open, skipping.skipped], [[{ from: 12, to: 13 }], [true]]);
});

test('gaps of a consumer with subjects, or of a stream without limits, say nothing', () => {
  const { gaps } = gapsWith('fail', false);
  gaps.note(1, 100);
  assert.deepEqual(gaps.open, []);
});
