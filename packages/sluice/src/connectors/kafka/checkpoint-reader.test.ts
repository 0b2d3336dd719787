import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Checkpoint, encodeCheckpoint } from '../../core/checkpoint.ts';
import { testPosition } from '../../testing/events.ts';
import { claimKey, encodeClaim, readCheckpoint } from './checkpoint-reader.ts';
import { control, data, logOf } from './log-fixture.ts';

const signal = new AbortController().signal;
const MINE = 'orders/0';

function checkpoint(sequence: number, epoch = 1, partition = MINE): Checkpoint {
  return {
    partition,
    epoch,
    position: testPosition(sequence),
    deployment: 'rs0',
    fingerprint: 'f',
    savedAtMs: sequence,
  };
}

const saved = (offset: number, sequence: number, epoch = 1, partition = MINE) =>
  data(offset, { keys: [partition], values: [encodeCheckpoint(checkpoint(sequence, epoch, partition))] });
const savedInTransaction = (offset: number, sequence: number, producerId: bigint) => ({
  ...saved(offset, sequence),
  producerId,
  attributes: 16,
});
const claimed = (offset: number, epoch: number) =>
  data(offset, { keys: [claimKey(MINE)], values: [encodeClaim(MINE, epoch)] });

test('an empty topic knows nothing', async () => {
  assert.deepEqual(await readCheckpoint(logOf([]), MINE, signal), { checkpoint: undefined, epoch: 0 });
});

test('the last checkpoint counts, others of the topic do not', async () => {
  const log = logOf([saved(0, 1), saved(1, 2), saved(2, 9, 8, 'users/0'), saved(3, 8, 5, 'orders/01')]);
  assert.deepEqual(await readCheckpoint(log, MINE, signal), { checkpoint: checkpoint(2), epoch: 1 });
});

test('after several aborted transactions the last committed checkpoint is found', async () => {
  const batches = [savedInTransaction(0, 10, 5n), control(1, 'commit', 5n)];
  for (let n = 1; n <= 6; n++) batches.push(savedInTransaction(n * 2, 10 + n, 5n), control(n * 2 + 1, 'abort', 5n));
  const { checkpoint: found } = await readCheckpoint(logOf(batches), MINE, signal);
  assert.deepEqual(found?.position, testPosition(10));
});

test('claims raise the epoch, with and without a checkpoint', async () => {
  assert.equal((await readCheckpoint(logOf([claimed(0, 3)]), MINE, signal)).epoch, 3);
  const log = logOf([claimed(0, 3), saved(1, 1, 3), claimed(2, 4), claimed(3, 5)]);
  assert.deepEqual(await readCheckpoint(log, MINE, signal), { checkpoint: checkpoint(1, 3), epoch: 5 });
});

test('a long log is read from its end only', async () => {
  const batches = Array.from({ length: 100_000 }, (_, offset) =>
    saved(offset, offset, 1, offset % 50 === 0 ? MINE : 'users/0'),
  );
  const log = logOf(batches);
  const { checkpoint: found } = await readCheckpoint(log, MINE, signal);
  assert.deepEqual(found?.position, testPosition(99_950));
  assert.ok(log.batchesRead <= 2000, `${log.batchesRead} batches were read`);
});

test('a checkpoint far back is found all the same', async () => {
  const others = Array.from({ length: 50_000 }, (_, n) => saved(n + 2, n, 1, 'users/0'));
  const log = logOf([claimed(0, 2), saved(1, 7, 2), ...others]);
  assert.deepEqual(await readCheckpoint(log, MINE, signal), { checkpoint: checkpoint(7, 2), epoch: 2 });
});

test('a removed checkpoint is none, but the epoch goes on', async () => {
  const others = Array.from({ length: 5000 }, (_, n) => saved(n + 2, n, 1, 'users/0'));
  const log = logOf([claimed(0, 4), saved(1, 7, 4), ...others, data(6000, { keys: [MINE], values: [null] })]);
  assert.deepEqual(await readCheckpoint(log, MINE, signal), { checkpoint: undefined, epoch: 4 });
});

test('an open transaction with our checkpoint is waited for; one of others is not', async () => {
  const log = logOf([saved(0, 1), savedInTransaction(1, 2, 9n)], 1);
  await assert.rejects(readCheckpoint(log, MINE, signal), { kind: 'transient', code: 'kafka.checkpoint-undecided' });
  const other = { ...saved(1, 2, 1, 'users/0'), producerId: 9n, attributes: 16 };
  assert.deepEqual((await readCheckpoint(logOf([saved(0, 1), other], 1), MINE, signal)).checkpoint, checkpoint(1));
});

test('damaged records are refused with their place', async () => {
  const broken = data(0, { keys: [MINE], values: ['{"v":1}'] });
  await assert.rejects(readCheckpoint(logOf([broken]), MINE, signal), {
    kind: 'config',
    code: 'checkpoint.damaged',
    message: /topic "checkpoints"/,
  });
  const claim = data(0, { keys: [claimKey(MINE)], values: ['nonsense'] });
  await assert.rejects(readCheckpoint(logOf([claim]), MINE, signal), {
    code: 'checkpoint.damaged',
    message: /offset 0/,
  });
});
