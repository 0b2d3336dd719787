import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { DeadLetter, DeadLetterStore } from '../../core/dead-letter.ts';
import { testEvent } from '../events.ts';

/** A store over the same place every time it is opened within one test. */
export interface DeadLetterStoreFixture {
  open(): Promise<DeadLetterStore>;
  cleanup?(): Promise<void>;
}

const signal = new AbortController().signal;

function letter(sequence: number, overrides: Partial<DeadLetter> = {}): DeadLetter {
  const event = testEvent({ sequence });
  return {
    id: event.id,
    pipeline: 'orders',
    partition: 'orders/0',
    namespace: 'test.items',
    op: event.op,
    key: `{"_id":${sequence}}`,
    orderingKey: `document ${sequence}`,
    clusterTime: event.position.clusterTime,
    code: 'test.poison',
    reason: 'it is poison',
    attempts: 1,
    failedAtMs: 1_700_000_000_000 + sequence,
    raw: event.raw,
    rawBytes: event.raw.byteLength,
    ...overrides,
  };
}

async function idsOf(store: DeadLetterStore, pipeline = 'orders'): Promise<string[]> {
  const ids: string[] = [];
  for await (const entry of store.list(pipeline, signal)) ids.push(entry.id);
  return ids;
}

/** Entries compare with `raw` as plain bytes, whatever buffer type the store hands out. */
function plain(entry: DeadLetter | undefined): object | undefined {
  return entry && { ...entry, raw: entry.raw && Buffer.from(entry.raw).toString('hex') };
}

/** What every dead-letter store promises. `fixture` is asked for once per case. */
export function deadLetterStoreContract(name: string, fixture: () => Promise<DeadLetterStoreFixture>): void {
  const contract = (title: string, body: (f: DeadLetterStoreFixture) => Promise<void>) =>
    test(`${name} dead letters: ${title}`, { timeout: 300_000 }, async () => {
      const prepared = await fixture();
      try {
        await body(prepared);
      } finally {
        await prepared.cleanup?.();
      }
    });

  contract('an empty store lists nothing', async ({ open }) => {
    await using store = await open();
    assert.deepEqual(await idsOf(store), []);
    assert.equal(await store.get('orders', 'absent', signal), undefined);
  });

  contract('what was put is there for the next process, oldest first, complete', async ({ open }) => {
    {
      await using store = await open();
      await store.put([letter(3), letter(1)], signal);
      await store.put([letter(2)], signal);
    }
    await using store = await open();
    assert.deepEqual(await idsOf(store), [letter(3).id, letter(1).id, letter(2).id]);
    assert.deepEqual(plain(await store.get('orders', letter(1).id, signal)), plain(letter(1)));
  });

  contract('putting an event again updates its entry and keeps its place', async ({ open }) => {
    await using store = await open();
    await store.put([letter(1), letter(2)], signal);
    await store.put([letter(1, { attempts: 2, reason: 'still poison' })], signal);
    assert.deepEqual(await idsOf(store), [letter(1).id, letter(2).id]);
    const entry = await store.get('orders', letter(1).id, signal);
    assert.equal(entry?.attempts, 2);
    assert.equal(entry?.reason, 'still poison');
  });

  contract('removed entries are gone, unknown ids are ignored', async ({ open }) => {
    {
      await using store = await open();
      await store.put([letter(1), letter(2), letter(3)], signal);
      await store.remove('orders', [letter(2).id, 'absent'], signal);
    }
    await using store = await open();
    assert.deepEqual(await idsOf(store), [letter(1).id, letter(3).id]);
    assert.equal(await store.get('orders', letter(2).id, signal), undefined);
    await store.put([letter(2)], signal);
    assert.deepEqual(await idsOf(store), [letter(1).id, letter(3).id, letter(2).id]);
  });

  contract('pipelines do not see each other', async ({ open }) => {
    await using store = await open();
    await store.put([letter(1), letter(2, { pipeline: 'users' })], signal);
    assert.deepEqual(await idsOf(store, 'orders'), [letter(1).id]);
    assert.deepEqual(await idsOf(store, 'users'), [letter(2).id]);
    await store.remove('users', [letter(1).id], signal);
    assert.deepEqual(await idsOf(store, 'orders'), [letter(1).id]);
  });

  contract('an entry without its raw event keeps its size', async ({ open }) => {
    await using store = await open();
    await store.put([letter(1, { raw: undefined, rawBytes: 18_000_000 })], signal);
    const entry = await store.get('orders', letter(1).id, signal);
    assert.equal(entry?.raw, undefined);
    assert.equal(entry?.rawBytes, 18_000_000);
  });
}
