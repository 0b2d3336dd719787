import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, test } from 'node:test';
import { Client } from 'pg';
import { fieldsOf } from '../../../bson/elements.ts';
import { JsonBuffer } from '../../../bson/json-buffer.ts';
import { PlainDocumentWriter } from '../../../bson/plain-document.ts';
import { document, int32, type Value } from '../../../bson/test-support/bson-bytes.ts';
import { randomDocument } from '../../../bson/test-support/random-bson.ts';
import { testRandom } from '../../../testing/random.ts';
import { testPostgres } from '../../../testing/servers/postgres.ts';
import { COLUMN_TYPES, type ColumnType } from './column-types.ts';
import { type Column, planLayout, type WantedColumn } from './layout.ts';
import { plainDigits } from './plain-digits.ts';
import { RowReader } from './row-reader.ts';
import { OPTIONS, VALUE_CASES } from './value-table-fixture.ts';

const MOST_COLUMNS = 300;
let client: Client;
const schema = `columns_${randomUUID().slice(0, 8)}`;

before(async () => {
  client = new Client({ connectionString: await testPostgres() });
  await client.connect();
  await client.query(`create schema ${schema}`);
  await client.query(`set time zone 'Asia/Kathmandu'`);
  await client.query(`set datestyle to 'SQL, DMY'`);
});

after(async () => {
  await client.query(`drop schema ${schema} cascade`);
  await client.end();
});

async function one(text: string, ...values: readonly unknown[]): Promise<unknown> {
  const { rows } = await client.query({ text, values: [...values], rowMode: 'array' });
  return (rows[0] as unknown[])[0];
}

function readAs(type: ColumnType, value: Value): string | null {
  const reader = new RowReader({ columns: [{ name: 'v', path: 'v', type }], children: [] }, OPTIONS);
  return reader.read(document(['v', value])).values[0] ?? null;
}

function jsonOf(bytes: Buffer): string {
  const buffer = new JsonBuffer();
  buffer.begin(bytes.length);
  new PlainDocumentWriter(buffer, OPTIONS).document(bytes);
  return buffer.end().toString();
}

/** The value as it is stored, in a form that does not depend on how it was written. */
const STORED: Readonly<Record<ColumnType, string>> = {
  text: '$1::text',
  bigint: '($1::text::bigint)::text',
  'double precision': '($1::text::double precision)::text',
  numeric: '($1::text::numeric)::text',
  boolean: '($1::text::boolean)::text',
  timestamptz: '(extract(epoch from $1::text::timestamptz) * 1000)::bigint::text',
  bytea: `encode($1::text::bytea, 'hex')`,
  uuid: '($1::text::uuid)::text',
  jsonb: '($1::text::jsonb)::text',
};

test('the server takes every text in its type of column, and has the value', async () => {
  let count = 0;
  for (const [what, value, texts] of VALUE_CASES) {
    const inDocument = jsonOf(document(['v', value]));
    for (const type of COLUMN_TYPES) {
      const text = readAs(type, value);
      assert.equal(text, texts[type] ?? null, what);
      if (text === null) continue;
      count++;
      const stored = await one(`select ${STORED[type]}`, text);
      const where = `${what} as ${type}`;
      if (type === 'double precision') assert.ok(Object.is(Number(stored), Number(text)), where);
      else if (type === 'bigint') assert.equal(stored, text, where);
      else if (type === 'numeric') assert.equal(stored, plainDigits(text), where);
      else if (type === 'timestamptz') assert.equal(stored, String(value.payload.readBigInt64LE()), where);
      else if (type === 'bytea') assert.equal(stored, text.slice(2), where);
      else if (type === 'jsonb')
        assert.equal(await one(`select $1::jsonb = $2::jsonb -> 'v'`, text, inDocument), true, where);
      else assert.equal(stored, text, where);
      const isContainer = text.startsWith('{') || text.startsWith('[');
      if (type === 'text' && !isContainer) {
        assert.equal(await one(`select $1::jsonb #>> '{v}'`, inDocument), text, `${what} in the document`);
      }
    }
  }
  assert.ok(count > 150, `${count} texts`);
});

test('the server takes the columns of random documents, and texts are those of the document', async (t) => {
  const random = testRandom(t);
  const texts = new Map<ColumnType, string[]>(COLUMN_TYPES.map((type) => [type, []]));
  const pairs: { readonly text: string; readonly json: string }[] = [];
  for (let count = 0; count < 600; count++) {
    for (const { type, bytes } of fieldsOf(randomDocument(random, { libraryTypes: false }))) {
      const value = { type, payload: Buffer.from(bytes) };
      for (const column of COLUMN_TYPES) {
        const text = readAs(column, value);
        if (text === null) continue;
        texts.get(column)?.push(text);
        if (column === 'text' && !/^[[{]/.test(text)) pairs.push({ text, json: jsonOf(document(['v', value])) });
      }
    }
  }
  for (const [type, values] of texts) {
    assert.ok(values.length > 20, `${values.length} of ${type}`);
    const stored = await one(`select count(x::${type}) from unnest($1::text[]) as x`, values);
    assert.equal(Number(stored), values.length, type);
  }
  const { rows } = await client.query<{ text: string; found: string }>(
    `select text, json::jsonb #>> '{v}' as found from unnest($1::text[], $2::text[]) as p (text, json)
      where text is distinct from json::jsonb #>> '{v}'`,
    [pairs.map(({ text }) => text), pairs.map(({ json }) => json)],
  );
  assert.deepEqual(rows, []);
});

test('names of columns are what the server calls them', async () => {
  const paths = [
    'Total',
    'x y',
    '"q"',
    'é'.repeat(40),
    '漢'.repeat(30),
    'ctid',
    'xmax',
    'tableoid',
    'a.b',
    'a_b',
    '""',
    'select',
    '\\*',
  ];
  const columns = paths.map((path): WantedColumn => ({ path, type: 'text', types: [], listed: false, fixed: false }));
  const drift = { newField: 'add-column', typeChange: 'widen' } as const;
  const { layout } = planLayout(undefined, { table: 't', columns, children: [], kept: [], drift, most: 100 });
  const names = layout.columns.map(({ name }) => name);
  const own = '_id text, document jsonb, _ts bigint, _ord bigint';
  await client.query(
    `create table ${schema}.names (${own}, ${names.map((name) => `${client.escapeIdentifier(name)} text`).join()})`,
  );
  const { rows } = await client.query<{ name: string }>(
    `select column_name as name from information_schema.columns where table_schema = $1 and table_name = 'names' order by ordinal_position`,
    [schema],
  );
  assert.deepEqual(
    rows.map(({ name }) => name),
    ['_id', 'document', '_ts', '_ord', ...names],
  );
});

test('a row with the most columns fits, whatever is in them', async () => {
  for (const [name, text] of [
    ['text', 'x'.repeat(23)],
    ['text', 'long '.repeat(500)],
    ['numeric', '9'.repeat(34)],
    ['bytea', `\\x${'ab'.repeat(23)}`],
    ['jsonb', '{"t":4294967295,"i":4294967295}'],
  ] as const) {
    const columns = Array.from(
      { length: MOST_COLUMNS },
      (_, at): Column => ({ name: `c${at}`, path: `c${at}`, type: name }),
    );
    const list = columns.map((column) => `${column.name} ${column.type}`).join();
    await client.query(
      `create table ${schema}.wide (_id text primary key, document jsonb, _ts bigint, _ord bigint, ${list})`,
    );
    const values = columns.map(() => `$2::text::${name}`).join();
    await client.query(`insert into ${schema}.wide values ('${'i'.repeat(512)}', $1::jsonb, 1, 1, ${values})`, [
      jsonOf(document(['a', int32(1)])),
      text,
    ]);
    await client.query(`drop table ${schema}.wide`);
  }
});
