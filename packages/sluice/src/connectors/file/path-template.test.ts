import assert from 'node:assert/strict';
import { join, normalize } from 'node:path';
import { test } from 'node:test';
import { testEvent } from '../../testing/events.ts';
import { testRandom } from '../../testing/random.ts';
import { fixedDirectory, pathTemplate, safeName } from './path-template.ts';

function pathFor(template: string, db: string, coll: string, sequence = 0): string {
  const event = testEvent({ sequence });
  return pathTemplate(template)({ event, namespace: { db, coll } });
}

test('placeholders are replaced by the namespace and the UTC day of the change', () => {
  assert.equal(pathFor('/data/{db}/{coll}-{date}.ndjson', 'shop', 'orders'), '/data/shop/orders-2023-11-14.ndjson');
  assert.equal(pathFor('/data/all.ndjson', 'shop', 'orders'), '/data/all.ndjson');
});

test('the day changes at midnight of the source, for one namespace object too', () => {
  const pathOf = pathTemplate('{coll}.{date}');
  const namespace = { db: 'shop', coll: 'orders' };
  const at = (time: string) => pathOf({ event: { ...testEvent(), sourceTimeMs: Date.parse(time) }, namespace });
  assert.equal(at('2026-01-31T23:59:59.999Z'), 'orders.2026-01-31');
  assert.equal(at('2026-02-01T00:00:00.000Z'), 'orders.2026-02-01');
  assert.equal(at('2026-01-31T23:59:59.999Z'), 'orders.2026-01-31');
});

test('ordinary names stay as they are', () => {
  for (const name of ['orders', 'Orders_2024', 'a.b-c', 'system.buckets.x']) assert.equal(safeName(name), name);
});

test('no name leaves the directory', () => {
  for (const evil of [
    '..',
    '.',
    '../../etc/passwd',
    '/etc/passwd',
    '..\\x',
    'a/../../b',
    '.hidden',
    '\0',
    'C:\\x',
    '',
  ]) {
    for (const template of ['{db}/{coll}.ndjson', '{coll}', '{db}{coll}', 'x/{coll}/y']) {
      const path = join('/data', pathFor(template, evil, evil));
      assert.ok(normalize(path).startsWith('/data/'), `${evil} in ${template}: ${path}`);
      assert.equal(path.split('/').length, join('/data', template).split('/').length, 'as many parts as the template');
    }
  }
});

test('different names get different paths', (t) => {
  const random = testRandom(t);
  const alphabet = ['a', 'A', '.', '/', '%', '~', '2', 'F', 'é', '\u{1F600}', ' ', '_'];
  const names = new Set(
    Array.from({ length: 5_000 }, () => Array.from({ length: random.int(6) }, () => random.pick(alphabet)).join('')),
  );
  for (const length of [99, 100, 101, 120, 255]) for (const end of ['x', 'y']) names.add('n'.repeat(length) + end);
  assert.equal(new Set([...names].map(safeName)).size, names.size);
});

test('the longest database and collection fit into one file name', () => {
  const path = pathFor('{db}.{coll}.ndjson', 'ü'.repeat(31), '日'.repeat(80));
  assert.ok(Buffer.byteLength(`${path}.000001`) <= 255, path);
});

test('the directory before the first placeholder', () => {
  assert.equal(fixedDirectory('/data/{db}/x'), '/data');
  assert.equal(fixedDirectory('/data/a-{db}'), '/data');
  assert.equal(fixedDirectory('/{db}'), '/');
  assert.equal(fixedDirectory('{db}'), '.');
});
