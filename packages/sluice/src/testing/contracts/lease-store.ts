import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { test } from 'node:test';
import type { PartitionId } from '../../core/checkpoint.ts';
import type { Instance, LeaseGrant, LeaseStore, LeaseView } from '../../core/lease.ts';

/** A store over the same place every time it is opened within one test. */
export interface LeaseStoreFixture {
  /** Opens the store as a new process would. */
  open(): Promise<LeaseStore>;
  /** Lets this time pass at the store. */
  elapse(ms: number): Promise<void>;
  /** Removes what the test left. */
  cleanup?(): Promise<void>;
}

const signal = new AbortController().signal;
const LONG_MS = 600_000;
const SHORT_MS = 300;
/** What has to happen before a lease runs out is tried with longer ones while that does not succeed. */
const SHORT_ONES_MS = [SHORT_MS, 5_000, 30_000];

function instance(name: string): Instance {
  return { id: randomUUID(), name, process: { space: 'machine/boot/pid', pid: 4711, startedAt: '12' } };
}

/** The grant behind a view; fails unless the holder has it. */
function granted(view: LeaseView, holder: Instance, ttlMs: number): LeaseGrant {
  assert.equal(view.holder?.id, holder.id, `${view.holder?.name} holds it`);
  return { partition: view.partition, holder, ttlMs, epoch: view.epoch };
}

/**
 * Runs `begin`, and then what it returns if that took less than the lease lasts; otherwise begins anew with another
 * partition and a longer lease.
 */
async function beforeItRunsOut(
  partition: PartitionId,
  begin: (partition: PartitionId, ttlMs: number) => Promise<() => Promise<void>>,
): Promise<void> {
  for (const [attempt, ttlMs] of SHORT_ONES_MS.entries()) {
    const startedMs = performance.now();
    const proceed = await begin(partition.replace('/0', `/${attempt}`), ttlMs);
    if (performance.now() - startedMs < ttlMs) return proceed();
  }
  assert.fail('every answer came after the lease had run out');
}

/** What every lease store promises. `fixture` is asked for once per case. */
export function leaseStoreContract(name: string, fixture: () => Promise<LeaseStoreFixture>): void {
  const contract = (title: string, body: (f: LeaseStoreFixture, partition: PartitionId) => Promise<void>) =>
    test(`${name} lease store: ${title}`, { timeout: 300_000 }, async () => {
      const prepared = await fixture();
      try {
        await body(prepared, `pipe-${randomUUID().slice(0, 8)}/0`);
      } finally {
        await prepared.cleanup?.();
      }
    });
  const [a, b] = [instance('a:1'), instance('b:2')];

  contract('the first one gets it, the next one sees who has it and for how long', async ({ open }, partition) => {
    await using first = await open();
    await using second = await open();
    const mine = await first.take({ partition, holder: a, ttlMs: LONG_MS }, signal);
    assert.deepEqual(mine, { partition, holder: a, epoch: 1, expiresInMs: mine.expiresInMs });
    const seen = await second.take({ partition, holder: b, ttlMs: LONG_MS }, signal);
    assert.deepEqual(seen, { partition, holder: a, epoch: 1, expiresInMs: seen.expiresInMs });
    assert.ok(seen.expiresInMs > LONG_MS - 120_000 && seen.expiresInMs <= LONG_MS, `${seen.expiresInMs} ms are left`);
  });

  contract('of many at once exactly one gets it', async ({ open }, partition) => {
    await using store = await open();
    const holders = Array.from({ length: 12 }, (_, n) => instance(`host:${n}`));
    const views = await Promise.all(holders.map((holder) => store.take({ partition, holder, ttlMs: LONG_MS }, signal)));
    const winners = new Set(views.map(({ holder }) => holder?.id));
    assert.equal(winners.size, 1, 'all agree who has it');
    assert.deepEqual(new Set(views.map(({ epoch }) => epoch)), new Set([1]));
  });

  contract('a release lets the next one in at once, with a higher epoch', async ({ open }, partition) => {
    await using store = await open();
    await store.release(
      granted(await store.take({ partition, holder: a, ttlMs: LONG_MS }, signal), a, LONG_MS),
      signal,
    );
    const next = await store.take({ partition, holder: b, ttlMs: LONG_MS }, signal);
    assert.equal(granted(next, b, LONG_MS).epoch, 2);
  });

  contract('it can be taken when it has run out, not before', async ({ open, elapse }, pipe) => {
    await using store = await open();
    await beforeItRunsOut(pipe, async (partition, ttlMs) => {
      granted(await store.take({ partition, holder: a, ttlMs }, signal), a, ttlMs);
      const early = await store.take({ partition, holder: b, ttlMs: LONG_MS }, signal);
      return async () => {
        granted(early, a, ttlMs);
        await elapse(early.expiresInMs + 1);
        assert.equal(granted(await store.take({ partition, holder: b, ttlMs: LONG_MS }, signal), b, LONG_MS).epoch, 2);
      };
    });
  });

  contract('a renewal counts from its own moment and keeps the epoch', async ({ open, elapse }, pipe) => {
    await using store = await open();
    await beforeItRunsOut(pipe, async (partition, ttlMs) => {
      const grant = granted(await store.take({ partition, holder: a, ttlMs: LONG_MS }, signal), a, ttlMs);
      assert.equal(await store.renew(grant, signal), true);
      const seen = await store.take({ partition, holder: b, ttlMs: LONG_MS }, signal);
      return async () => {
        assert.equal(granted(seen, a, ttlMs).epoch, 1);
        assert.ok(seen.expiresInMs <= ttlMs, 'the time of the renewal holds');
        await elapse(ttlMs + 1);
        granted(await store.take({ partition, holder: b, ttlMs: LONG_MS }, signal), b, LONG_MS);
      };
    });
  });

  contract('who lost it can neither renew nor release it', async ({ open, elapse }, partition) => {
    await using store = await open();
    const lost = granted(await store.take({ partition, holder: a, ttlMs: SHORT_MS }, signal), a, SHORT_MS);
    await elapse(SHORT_MS + 1);
    granted(await store.take({ partition, holder: b, ttlMs: LONG_MS }, signal), b, LONG_MS);
    assert.equal(await store.renew(lost, signal), false);
    await store.release(lost, signal);
    granted(await store.take({ partition, holder: a, ttlMs: LONG_MS }, signal), b, LONG_MS);
  });

  contract('a renewal of an epoch before the own present one does nothing', async ({ open }, partition) => {
    await using store = await open();
    const first = granted(await store.take({ partition, holder: a, ttlMs: LONG_MS }, signal), a, LONG_MS);
    const second = granted(await store.take({ partition, holder: a, ttlMs: LONG_MS }, signal), a, LONG_MS);
    assert.equal(second.epoch, first.epoch + 1, 'who holds it can take it anew');
    assert.equal(await store.renew(first, signal), false);
    await store.release(first, signal);
    granted(await store.take({ partition, holder: b, ttlMs: LONG_MS }, signal), a, LONG_MS);
  });

  contract(
    'the lease of a holder that has ended is taken in its stead, a later one is not',
    async ({ open }, partition) => {
      await using store = await open();
      const { epoch } = await store.take({ partition, holder: a, ttlMs: LONG_MS }, signal);
      const next = await store.take({ partition, holder: b, ttlMs: LONG_MS, insteadOf: epoch }, signal);
      assert.equal(granted(next, b, LONG_MS).epoch, epoch + 1);
      const late = await store.take({ partition, holder: instance('c:3'), ttlMs: LONG_MS, insteadOf: epoch }, signal);
      granted(late, b, LONG_MS);
    },
  );

  contract('partitions do not see each other', async ({ open }, partition) => {
    await using store = await open();
    granted(await store.take({ partition, holder: a, ttlMs: LONG_MS }, signal), a, LONG_MS);
    const other = partition.replace('/0', '/1');
    granted(await store.take({ partition: other, holder: b, ttlMs: LONG_MS }, signal), b, LONG_MS);
  });
}
