import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Decimal128 } from 'bson';
import { Client, DatabaseError } from 'pg';
import { type Random, testRandom } from '../testing/random.ts';
import { testPostgres } from '../testing/servers/postgres.ts';
import { JsonBuffer } from './json-buffer.ts';
import { PlainDocumentWriter, type PlainOptions } from './plain-document.ts';
import * as b from './test-support/bson-bytes.ts';
import { randomDocument } from './test-support/random-bson.ts';

const OPTIONS: PlainOptions = { nonFinite: 'text', decimals: 'number', nul: 'strip' };
const ROUNDS = 1000;

function write(document: Buffer, options: Partial<PlainOptions> = {}): string {
  const buffer = new JsonBuffer();
  buffer.begin(document.length);
  new PlainDocumentWriter(buffer, { ...OPTIONS, ...options }).document(document);
  return buffer.end().toString();
}

function decimal(text: string): b.Value {
  return { type: 0x13, payload: Buffer.from(Decimal128.fromString(text).bytes) };
}

async function withClient(body: (client: Client) => Promise<void>): Promise<void> {
  const client = new Client({ connectionString: await testPostgres() });
  await client.connect();
  try {
    await body(client);
  } finally {
    await client.end();
  }
}

async function first(client: Client, query: string, values: readonly unknown[]): Promise<unknown> {
  const { rows } = await client.query({ text: query, values: [...values], rowMode: 'array' });
  return (rows[0] as readonly unknown[])[0];
}

test('jsonb keeps every digit of any number', async () => {
  const texts = ['1.10', '0', '1E+6111', '9.999999999999999999999999999999999E+6144', '1E-6176', '-1E-6176', '0E-6176'];
  const numbers: readonly (readonly [b.Value, string])[] = [
    ...texts.map((text) => [decimal(text), text] as const),
    [decimal('1234567890123456789012345678901234'), '1234567890123456789012345678901234'],
    [b.int64(2n ** 63n - 1n), '9223372036854775807'],
    [b.int64(-(2n ** 63n)), '-9223372036854775808'],
    [b.double(0.1), '0.1'],
    [b.double(Number.MAX_VALUE), '1.7976931348623157e308'],
    [b.double(5e-324), '5e-324'],
    // Neither numeric nor jsonb has a negative zero.
    [b.double(-0), '0.0'],
    [decimal('-0E+3'), '0'],
  ];
  await withClient(async (client) => {
    for (const [value, text] of numbers) {
      const json = write(b.document(['v', value]));
      const same = "select ($1::jsonb->>'v')::numeric = $2::numeric and $1::jsonb->'v' = to_jsonb($2::numeric)";
      assert.equal(await first(client, same, [json, text]), true, json);
    }
  });
});

test('jsonb takes names and depths that are odd, the last of two fields with one name wins', async () => {
  await withClient(async (client) => {
    const odd = b.document(
      ['', b.int32(1)],
      ['a.b', b.int32(2)],
      ['x', b.int32(3)],
      ['$x', b.nothing],
      ['x', b.nothing],
    );
    const parsed = await first(client, 'select $1::jsonb', [write(odd)]);
    assert.deepEqual(parsed, { '': 1, 'a.b': 2, $x: null, x: null });
    let deep = b.embedded();
    for (let level = 2; level < 200; level++) deep = level % 2 === 0 ? b.array(deep) : b.embedded(['a', deep]);
    const json = write(b.document(['a', deep]));
    assert.deepEqual(await first(client, 'select $1::jsonb', [json]), JSON.parse(json));
  });
});

test('jsonb refuses a NUL character, which is why it can be stripped', async () => {
  const document = b.document(['v', b.string('a\0b\u0001\u007f\ufffe')]);
  await withClient(async (client) => {
    const refused = (error: unknown) => error instanceof DatabaseError && error.code === '22P05';
    await assert.rejects(first(client, 'select $1::jsonb', [write(document, { nul: 'keep' })]), refused);
    assert.deepEqual(await first(client, 'select $1::jsonb', [write(document)]), { v: 'ab\u0001\u007f\ufffe' });
  });
});

test('property: jsonb takes every document, and holds what it says', async (t) => {
  const random = testRandom(t);
  await withClient(async (client) => {
    const documents = Array.from({ length: ROUNDS }, () => documentOf(random));
    const { rows } = await client.query<{ json: string; parsed: unknown }>(
      'select json, json::jsonb as parsed from unnest($1::text[]) with ordinality as t(json, n) order by n',
      [documents],
    );
    assert.equal(rows.length, ROUNDS);
    for (const { json, parsed } of rows) assert.deepEqual(withoutSign(parsed), withoutSign(JSON.parse(json)), json);
  });
});

function documentOf(random: Random): string {
  return write(randomDocument(random, { libraryTypes: random.chance(0.5) }), {
    nonFinite: random.pick(['text', 'null']),
    decimals: random.pick(['number', 'text']),
  });
}

/** jsonb has no negative zero; a decimal too small for a double is read as one here. */
function withoutSign(value: unknown): unknown {
  if (typeof value === 'number') return value + 0;
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map(withoutSign);
  return Object.fromEntries(Object.entries(value).map(([name, field]) => [name, withoutSign(field)]));
}
