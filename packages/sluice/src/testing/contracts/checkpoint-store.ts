import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { test } from 'node:test';
import type { Checkpoint, CheckpointStore, PartitionId } from '../../core/checkpoint.ts';
import { SluiceError } from '../../core/failure.ts';
import { testPosition } from '../events.ts';

/** A store over the same place every time it is opened within one test. */
export interface CheckpointStoreFixture {
  /** Opens the store as a new process would. */
  open(): Promise<CheckpointStore>;
  /** Removes what the test left. */
  cleanup?(): Promise<void>;
}

const signal = new AbortController().signal;

function checkpointAt(partition: PartitionId, epoch: number, sequence: number): Checkpoint {
  const position = testPosition(sequence);
  return { partition, epoch, position, deployment: 'rs0', fingerprint: 'f1', savedAtMs: 1_700_000_000_000 + sequence };
}

function isFenced(error: unknown): boolean {
  assert.ok(error instanceof SluiceError, `expected a SluiceError, got ${String(error)}`);
  assert.equal(error.kind, 'fenced');
  return true;
}

/** What every checkpoint store promises. `fixture` is asked for once per case. */
export function checkpointStoreContract(name: string, fixture: () => Promise<CheckpointStoreFixture>): void {
  const contract = (title: string, body: (f: CheckpointStoreFixture, partition: PartitionId) => Promise<void>) =>
    test(`${name} checkpoint store: ${title}`, { timeout: 300_000 }, async () => {
      const prepared = await fixture();
      try {
        await body(prepared, `pipe-${randomUUID().slice(0, 8)}/0`);
      } finally {
        await prepared.cleanup?.();
      }
    });

  contract('a partition nobody knows has no checkpoint and a first epoch', async ({ open }, partition) => {
    await using store = await open();
    const claim = await store.claim(partition, signal);
    assert.equal(claim.checkpoint, undefined);
    assert.ok(claim.epoch >= 1);
  });

  contract('what was saved is claimed again, the last save wins', async ({ open }, partition) => {
    {
      await using store = await open();
      const { epoch } = await store.claim(partition, signal);
      for (const sequence of [1, 2, 3]) await store.save(checkpointAt(partition, epoch, sequence), signal);
    }
    await using store = await open();
    const { checkpoint, epoch } = await store.claim(partition, signal);
    assert.ok(checkpoint);
    assert.deepEqual(checkpoint, checkpointAt(partition, checkpoint.epoch, 3));
    assert.ok(epoch > checkpoint.epoch, 'a claim raises the epoch');
  });

  contract('a newer claim fences the older owner and keeps its checkpoint', async ({ open }, partition) => {
    await using older = await open();
    const first = await older.claim(partition, signal);
    await older.save(checkpointAt(partition, first.epoch, 5), signal);
    await using newer = await open();
    const second = await newer.claim(partition, signal);
    assert.ok(second.epoch > first.epoch);
    assert.deepEqual(second.checkpoint?.position, testPosition(5));
    await assert.rejects(older.save(checkpointAt(partition, first.epoch, 6), signal), isFenced);
    await newer.save(checkpointAt(partition, second.epoch, 7), signal);
    await using third = await open();
    assert.deepEqual((await third.claim(partition, signal)).checkpoint?.position, testPosition(7));
  });

  contract('partitions do not see each other', async ({ open }, partition) => {
    await using store = await open();
    const other = partition.replace('/0', '/1');
    const mine = await store.claim(partition, signal);
    await store.save(checkpointAt(partition, mine.epoch, 1), signal);
    await using second = await open();
    assert.equal((await second.claim(other, signal)).checkpoint, undefined);
  });

  contract('a long token survives', async ({ open }, partition) => {
    const token = 'AB'.repeat(20_000);
    {
      await using store = await open();
      const { epoch } = await store.claim(partition, signal);
      const checkpoint = checkpointAt(partition, epoch, 1);
      await store.save({ ...checkpoint, position: { ...checkpoint.position, token } }, signal);
    }
    await using store = await open();
    assert.equal((await store.claim(partition, signal)).checkpoint?.position.token, token);
  });
}
