import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { test } from 'node:test';
import type { SchemaStore } from '../../core/schema-store.ts';

/** A store over the same place every time it is opened within one test. */
export interface SchemaStoreFixture {
  /** Opens the store as a new process would. */
  open(): Promise<SchemaStore>;
  /** Removes what the test left. */
  cleanup?(): Promise<void>;
}

const signal = new AbortController().signal;

/** What every store of learned schemas promises. `fixture` is asked for once per case. */
export function schemaStoreContract(name: string, fixture: () => Promise<SchemaStoreFixture>): void {
  const contract = (title: string, body: (f: SchemaStoreFixture, pipeline: string) => Promise<void>) =>
    test(`${name} schema store: ${title}`, { timeout: 300_000 }, async () => {
      const prepared = await fixture();
      try {
        await body(prepared, `pipe-${randomUUID().slice(0, 8)}`);
      } finally {
        await prepared.cleanup?.();
      }
    });

  contract('what was put is there for the next process, with a revision that grows', async ({ open }, pipeline) => {
    const collection = 'shop.items';
    {
      await using store = await open();
      assert.deepEqual(await store.load(pipeline, signal), []);
      assert.equal(await store.read(pipeline, collection, signal), undefined);
      assert.equal(await store.replace(pipeline, { collection, revision: 0, text: 'one' }, signal), true);
      assert.equal(await store.replace(pipeline, { collection, revision: 1, text: 'two $x "ü"\n' }, signal), true);
    }
    await using next = await open();
    const stored = { collection, revision: 2, text: 'two $x "ü"\n' };
    assert.deepEqual(await next.read(pipeline, collection, signal), stored);
    assert.deepEqual(await next.load(pipeline, signal), [stored]);
  });

  contract('only what was made from the last revision is put', async ({ open }, pipeline) => {
    await using store = await open();
    const collection = 'shop.items';
    for (const [revision, text] of ['one', 'two', 'three'].entries()) {
      assert.equal(await store.replace(pipeline, { collection, revision, text }, signal), true);
    }
    for (const revision of [0, 1, 2]) {
      assert.equal(await store.replace(pipeline, { collection, revision, text: 'stale' }, signal), false);
    }
    assert.deepEqual(await store.read(pipeline, collection, signal), { collection, revision: 3, text: 'three' });
  });

  contract('of many at once exactly one wins each revision, so that nobody overwrites', async ({ open }, pipeline) => {
    const stores = await Promise.all(Array.from({ length: 4 }, open));
    const collection = 'shop.items';
    const add = async (store: SchemaStore, mark: string) => {
      for (;;) {
        const last = (await store.read(pipeline, collection, signal)) ?? { revision: 0, text: '' };
        const text = `${last.text}${mark},`;
        if (await store.replace(pipeline, { collection, revision: last.revision, text }, signal)) return;
      }
    };
    const marks = stores.map((_, writer) => Array.from({ length: 10 }, (_, n) => `${writer}-${n}`));
    await Promise.all(
      stores.map(async (store, writer) => {
        for (const mark of marks[writer] ?? []) await add(store, mark);
      }),
    );
    const stored = await (stores[0] as SchemaStore).read(pipeline, collection, signal);
    assert.equal(stored?.revision, 40);
    assert.deepEqual(stored?.text.split(',').slice(0, -1).toSorted(), marks.flat().toSorted());
    await Promise.all(stores.map((store) => store[Symbol.asyncDispose]()));
  });

  contract('collections and pipelines are apart, whatever their names', async ({ open }, pipeline) => {
    await using store = await open();
    const collections = ['shop.items', 'shop.items.7', 'shop.Größe $/..\\', `shop.${'x'.repeat(190)}`, 'shop'];
    for (const collection of collections) {
      await store.replace(pipeline, { collection, revision: 0, text: collection }, signal);
    }
    await store.replace(`${pipeline}-2`, { collection: 'other.one', revision: 0, text: 'other' }, signal);
    const loaded = await store.load(pipeline, signal);
    assert.deepEqual(loaded.map(({ collection }) => collection).toSorted(), collections.toSorted());
    for (const { collection, text, revision } of loaded) assert.deepEqual([text, revision], [collection, 1]);
  });

  contract('an abort comes through unchanged', async ({ open }, pipeline) => {
    await using store = await open();
    const reason = new Error('enough');
    const aborted = AbortSignal.abort(reason);
    await assert.rejects(store.load(pipeline, aborted), (error) => error === reason);
    const schema = { collection: 'a.b', revision: 0, text: 'x' };
    await assert.rejects(store.replace(pipeline, schema, aborted), (error) => error === reason);
  });
}
