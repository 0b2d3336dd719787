import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createDecoder } from './decoder.ts';
import { message, text } from './decoder-fixture.ts';

const T = 1_795_238_000;

interface Sent {
  readonly sequence: number;
  readonly seconds: number;
  readonly partition?: number;
  readonly value?: string;
}

function sent({ sequence, seconds, partition = 0, value = '{"_id":1}' }: Sent) {
  return message({ key: '{"_id":1}', value, sequence, partition, timestampMs: (T + seconds) * 1000 + 7 });
}

/** The seconds in the versions, since T. */
function times(messages: readonly Sent[], decoder = createDecoder({ name: 'auto' })): readonly number[] {
  return messages.map((one) => {
    const event = decoder.decode(sent(one));
    assert.equal(event?.version.ordinal, one.sequence);
    assert.equal(event.version.clusterTime.i, 0);
    return event.version.clusterTime.t - T;
  });
}

test('a timestamp that steps back does not make a message older than those before it in its partition', () => {
  const steps = [10, 12, 9, 12, 11, 13, 0];
  assert.deepEqual(times(steps.map((seconds, sequence) => ({ sequence, seconds }))), [10, 12, 12, 12, 12, 13, 13]);
});

test('partitions do not hold each other up, and a key that moves to a new one stays in order', () => {
  const moved = [
    { sequence: 1_000_000, seconds: 10, partition: 0 },
    { sequence: 0, seconds: 11, partition: 3 },
    { sequence: 1_000_001, seconds: 4, partition: 0 },
    { sequence: 1, seconds: 5, partition: 3 },
  ];
  assert.deepEqual(times(moved), [10, 11, 10, 11]);
});

test('what is read again keeps its order and never counts as later than what is behind it', () => {
  const decoder = createDecoder({ name: 'auto' });
  assert.deepEqual(
    times(
      [5, 3, 9, 1, 20].map((seconds, sequence) => ({ sequence, seconds })),
      decoder,
    ),
    [5, 5, 9, 9, 20],
  );
  const again = [
    { sequence: 1, seconds: 3 },
    { sequence: 2, seconds: 9 },
    { sequence: 3, seconds: 1 },
    { sequence: 1, seconds: 3 },
    { sequence: 5, seconds: 2 },
  ];
  assert.deepEqual(times(again, decoder), [3, 9, 9, 3, 20]);
});

test('the id of a made event does not depend on what was read before it, and differs for a topic made anew', () => {
  const fresh = createDecoder({ name: 'auto' }).decode(sent({ sequence: 1, seconds: 3 }));
  const decoder = createDecoder({ name: 'auto' });
  decoder.decode(sent({ sequence: 0, seconds: 50 }));
  const behind = decoder.decode(sent({ sequence: 1, seconds: 3 }));
  assert.notDeepEqual(behind?.version, fresh?.version);
  assert.equal(behind?.id, fresh?.id);
  const anew = createDecoder({ name: 'auto' }).decode(sent({ sequence: 1, seconds: 4 }));
  assert.notEqual(anew?.id, fresh?.id);
  const broken = (seconds: number) =>
    createDecoder({ name: 'auto' }).decode(sent({ sequence: 1, seconds, value: '[' }))?.id;
  assert.equal(broken(3), broken(3));
  assert.notEqual(broken(3), broken(4));
});

test('messages without a time, or with an impossible one, have a version', () => {
  for (const [timestampMs, t] of [
    [-1, 0],
    [0, 0],
    [Number.MAX_SAFE_INTEGER, 2 ** 32 - 1],
  ] as const) {
    const event = createDecoder({ name: 'auto' }).decode(message({ key: '1', value: '{"a":1}', timestampMs }));
    assert.deepEqual(event?.version, { clusterTime: { t, i: 0 }, ordinal: 5 });
    assert.equal(text(event.key(), 'relaxed'), '{"_id":1}');
  }
});

test('a dead letter keeps the version that its event had', () => {
  const decoder = createDecoder({ name: 'document' });
  decoder.decode(sent({ sequence: 0, seconds: 50 }));
  for (const value of ['{"_id":1}', '[']) {
    const event = decoder.decode(sent({ sequence: 1, seconds: 3, value }));
    const stored = createDecoder({ name: 'document' }).decodeStored?.(event?.raw ?? Buffer.alloc(0));
    assert.deepEqual(stored?.version, { clusterTime: { t: T + 50, i: 0 }, ordinal: 1 }, value);
    assert.equal(stored.id, event?.id);
  }
});
