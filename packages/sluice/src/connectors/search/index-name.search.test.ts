import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, before, test } from 'node:test';
import { testSearch } from '../../testing/servers/search.ts';
import { aRequest, openClient } from './client-fixture.ts';
import { indexName } from './index-name.ts';

const db = `names-${randomBytes(4).toString('hex')}`;
const COLLECTIONS = [
  'a b"c\\d/e*f?g<h>i|j,k#l:m',
  'Σίσυφος ΑΣ',
  'İstanbul STRASSE ẞ',
  '日本😀'.repeat(40),
  'tab\tand\u0001control\u00a0',
  'percent%41+plus&and=',
];

let url: string;

before(async () => {
  url = await testSearch();
});

after(async () => {
  await using client = await openClient([url]);
  for (const coll of COLLECTIONS) await client.request(aRequest({ method: 'DELETE', path: pathOf(coll) }));
});

function pathOf(coll: string): string {
  return `/${encodeURIComponent(indexName('{db}.{coll}', { db, coll }))}`;
}

test('a server makes the indexes of collections with odd names, under just these names', async () => {
  await using client = await openClient([url]);
  const body = JSON.stringify({ settings: { number_of_shards: 1, number_of_replicas: 0 } });
  for (const coll of COLLECTIONS) {
    const { status, value } = await client.json<{ readonly index?: string }>(
      aRequest({ method: 'PUT', path: pathOf(coll), body, timeoutMs: 30_000 }),
    );
    assert.equal(status, 200, `${coll}: ${JSON.stringify(value)}`);
    assert.equal(value.index, indexName('{db}.{coll}', { db, coll }));
  }
});
