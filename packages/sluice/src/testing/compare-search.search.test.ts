import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { test } from 'node:test';
import { areEqual } from './compare-documents.ts';
import { type CompareFixture, compareFixture, FIXTURE_COUNT } from './compare-fixture.ts';
import { compareSearch } from './compare-search.ts';
import { testSearch } from './servers/search.ts';

/** An index that stores documents as they are. */
async function withIndex(body: (index: TestIndex, fixture: CompareFixture) => Promise<void>): Promise<void> {
  const url = await testSearch();
  const index = new TestIndex(url, `compare_${randomUUID().slice(0, 8)}`);
  await using fixture = await compareFixture({ nonFinite: 'text', decimals: 'text', nul: 'keep', omitTop: '_id' });
  await index.send('PUT', '', '{"mappings":{"enabled":false},"settings":{"number_of_replicas":0}}');
  try {
    const lines = fixture.written.flatMap(({ id, json }) => [JSON.stringify({ index: { _id: id } }), json, '']);
    await index.send('POST', '/_bulk', `${lines.filter((line) => line !== '').join('\n')}\n`);
    await body(index, fixture);
  } finally {
    await index.send('DELETE', '');
  }
}

class TestIndex {
  readonly url: string;
  readonly index: string;

  constructor(url: string, index: string) {
    this.url = url;
    this.index = index;
  }

  async send(method: string, path: string, body?: string): Promise<void> {
    const response = await fetch(`${this.url}/${this.index}${path}`, {
      method,
      headers: { 'content-type': 'application/json' },
      ...(body === undefined ? {} : { body }),
    });
    const text = await response.text();
    assert.ok(response.ok && !text.includes('"errors":true'), text);
  }

  put(id: string, body: string): Promise<void> {
    return this.send('PUT', `/_doc/${encodeURIComponent(id)}`, body);
  }
}

const deep = '{"list":[1,2],"big":9007199254740993}';

test('equal documents of every type are equal, written in another order of fields too', async () => {
  await withIndex(async (index, { source }) => {
    assert.deepEqual(await compareSearch(source, index), { missing: [], extra: [], different: [], details: [] });
    await index.put('d0', '{"deep":{"big":9007199254740993.0,"list":[1.0,2e0]},"n":0}');
    assert.ok(areEqual(await compareSearch(source, index)));
  });
});

test('planted differences are found: missing, extra, values, types, digits, order and nested fields', async () => {
  await withIndex(async (index, { source }) => {
    await index.send('DELETE', '/_doc/d0');
    await index.put('d1', '{"_sluice":{"deleted":true,"at":"2026-01-01T00:00:00.000Z"}}');
    await index.put('more', '{}');
    await index.put('gone', '{"_sluice":{"deleted":true}}');
    await index.put('d2', `{"n":3,"deep":${deep}}`);
    await index.put('d3', `{"n":"3","deep":${deep}}`);
    await index.put('d4', '{"n":4,"deep":{"list":[1,2],"big":9007199254740992}}');
    await index.put('d5', '{"n":5,"deep":{"list":[2,1],"big":9007199254740993}}');
    await index.put('d6', '{"n":6,"deep":{"list":[1,2],"big":9007199254740993,"x":null}}');
    await index.put('d7', '{"n":7,"deep":{"list":[1,2]}}');
    await index.put('d8', `{"_id":"d8","n":8,"deep":${deep}}`);
    const { missing, extra, different, details } = await compareSearch(source, index);
    assert.deepEqual(missing.toSorted(), ['d0', 'd1']);
    assert.deepEqual(extra, ['more']);
    assert.deepEqual(
      different.toSorted(),
      [2, 3, 4, 5, 6, 7, 8].map((n) => `d${n}`),
    );
    assert.ok(details.includes('d4: .deep.big: expected "number 9007199254740993", found "number 9007199254740992"'));
  });
});

test('a document that is there twice, or an index that is not there, is found', async () => {
  await withIndex(async (index, { source, written }) => {
    const other = new TestIndex(index.url, `${index.index}_2`);
    await other.put('d9', `{"n":9,"deep":${deep}}`);
    try {
      const twice = await compareSearch(source, { url: index.url, index: `${index.index}*` });
      assert.deepEqual([twice.extra, twice.details], [['d9'], ['d9: more than once']]);
      const nothing = await compareSearch(source, { url: index.url, index: `${index.index}_3` });
      assert.deepEqual(nothing.missing.toSorted(), written.map(({ id }) => id).toSorted());
      assert.equal(nothing.missing.length, FIXTURE_COUNT);
    } finally {
      await other.send('DELETE', '');
    }
  });
});
