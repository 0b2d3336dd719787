import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { test } from 'node:test';
import { Client } from 'pg';
import { areEqual } from './compare-documents.ts';
import { type CompareFixture, compareFixture, FIXTURE_COUNT } from './compare-fixture.ts';
import { type ComparedTable, type ComparePostgresOptions, comparePostgres } from './compare-postgres.ts';
import { testPostgres } from './servers/postgres.ts';

/** The columns of the test table, by type, with the fields that they are promoted from. */
const COLUMNS = {
  n: 'n',
  int64: 'int64',
  double: 'double',
  nan: 'nan',
  decimal: 'decimal',
  true: 'true',
  date: 'date',
  binary: 'binary',
  uuid: 'uuid',
  text: 'objectId',
  nested: 'object.a.b',
  json: 'timestamp',
} as const;
/** Type of the column, and its value in SQL; `j` is the document. */
const SQL: Readonly<Record<keyof typeof COLUMNS, readonly [type: string, value: string]>> = {
  n: ['bigint', "(j->>'n')::bigint"],
  int64: ['bigint', "(j->>'int64')::bigint"],
  double: ['double precision', "(j->>'double')::float8"],
  nan: ['double precision', "(j->>'nan')::float8"],
  decimal: ['numeric', "(j->>'decimal')::numeric"],
  true: ['boolean', "(j->>'true')::boolean"],
  date: ['timestamptz', "(j->>'date')::timestamptz"],
  binary: ['bytea', "decode(j->>'binary', 'base64')"],
  uuid: ['uuid', "(j->>'uuid')::uuid"],
  text: ['text', "j->>'objectId'"],
  nested: ['bigint', "(j#>>'{object,a,b}')::bigint"],
  json: ['jsonb', "j->'timestamp'"],
};
const DEFINITION = Object.entries(SQL)
  .map(([name, [type]]) => `"${name}" ${type}`)
  .join(', ');
const VALUES = Object.values(SQL)
  .map(([, value]) => value)
  .join(', ');

interface Bed {
  readonly client: Client;
  readonly table: ComparedTable;
  readonly name: string;
  readonly fixture: CompareFixture;
  compare(options?: ComparePostgresOptions): ReturnType<typeof comparePostgres>;
}

async function withTable(body: (bed: Bed) => Promise<void>): Promise<void> {
  const connection = await testPostgres();
  await using fixture = await compareFixture({ nonFinite: 'text', decimals: 'number', nul: 'strip' });
  const client = new Client({ connectionString: connection });
  await client.connect();
  const schema = `compare ${randomUUID().slice(0, 8)}`;
  const name = `"${schema}"."a.b"`;
  const table = { connection, schema, table: 'a.b' };
  await client.query(`create schema "${schema}"`);
  try {
    await client.query(`create table ${name} (_id text collate "C", document jsonb, ${DEFINITION})`);
    await client.query(`insert into ${name} select id, j, ${VALUES} from unnest($1::text[], $2::jsonb[]) as t(id, j)`, [
      fixture.written.map(({ id }) => id),
      fixture.written.map(({ json }) => json),
    ]);
    const compare = (options: ComparePostgresOptions = {}) =>
      comparePostgres(fixture.source, table, { columns: COLUMNS, ...options });
    await body({ client, table, name, fixture, compare });
  } finally {
    await client.query(`drop schema "${schema}" cascade`);
    await client.end();
  }
}

test('equal documents and columns of every type are equal', async () => {
  await withTable(async ({ compare }) => {
    assert.deepEqual(await compare(), { missing: [], extra: [], different: [], details: [] });
  });
});

test('planted differences are found: missing, extra, values, types, digits, order and nested fields', async () => {
  await withTable(async ({ client, name, compare }) => {
    const patch = (id: string, path: string, json: string) =>
      client.query(`update ${name} set document = jsonb_set(document, $2, $3) where _id = $1`, [id, path, json]);
    await client.query(`delete from ${name} where _id = 'd0'`);
    await client.query(`insert into ${name} (_id, document) values ('more', '{}'), ('d1', '{"_id":"d1"}')`);
    await patch('d2', '{n}', '3');
    await patch('d3', '{n}', '"3"');
    await patch('d4', '{deep,big}', '9007199254740992');
    await patch('d5', '{deep,list}', '[2, 1]');
    await patch('d6', '{deep,x}', 'null');
    await client.query(`update ${name} set document = document #- '{deep,big}' where _id = 'd7'`);
    const { missing, extra, different, details } = await compare();
    assert.deepEqual([missing, extra.toSorted()], [['d0'], ['d1', 'more']]);
    assert.deepEqual(different.toSorted(), ['d1', 'd2', 'd3', 'd4', 'd5', 'd6', 'd7']);
    assert.ok(details.includes('d4: .deep.big: expected "number 9007199254740993", found "number 9007199254740992"'));
  });
});

test('promoted columns with another value, or none, are found', async () => {
  await withTable(async ({ client, name, compare }) => {
    const { rows } = await client.query<{ id: string }>(`select min(_id) id from ${name} where document ? 'int64'`);
    const id = rows[0]?.id;
    const set = (column: string, value: string) =>
      client.query(`update ${name} set "${column}" = ${value} where _id = $1`, [id]);
    const planted = {
      n: '4',
      int64: '9007199254740992',
      double: '0.2',
      nan: '0',
      decimal: '1234567890.1234567890123456781',
      true: 'false',
      date: "'2026-11-21T00:00:00.885Z'",
      binary: "'\\x00'",
      uuid: "'00112233-4455-6677-8899-aabbccddeefe'",
      text: "'6b012bb81d9cffe770fcbfd1'",
      nested: '2',
      json: '\'{"t":7,"i":8}\'',
    };
    for (const [column, value] of Object.entries(planted)) {
      await set(column, value);
      const wrong = await compare();
      assert.deepEqual(wrong.different, [id], column);
      assert.match(wrong.details[0] ?? '', new RegExp(`: column ${column}: found `));
      await set(column, 'null');
      // That document has no `n`.
      assert.deepEqual((await compare()).different, column === 'n' ? [] : [id], `${column} is NULL`);
      await set(column, SQL[column as keyof typeof SQL][1].replace('j', 'document'));
    }
    assert.ok(areEqual(await compare()));
  });
});

test('rows that are no documents are left out, and a missing table is empty', async () => {
  await withTable(async ({ client, table, name, fixture, compare }) => {
    await client.query(`alter table ${name} add deleted boolean not null default false`);
    await client.query(`insert into ${name} (_id, document, deleted) values ('x', null, true)`);
    assert.deepEqual((await compare()).extra, ['x']);
    assert.ok(areEqual(await compare({ where: 'not deleted' })));
    const nothing = await comparePostgres(fixture.source, { ...table, table: 'none' });
    assert.equal(nothing.missing.length, FIXTURE_COUNT);
  });
});
