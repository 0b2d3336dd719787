import { randomBytes } from 'node:crypto';
import { Client } from 'pg';
import { idTextOf } from '../../bson/id-text.ts';
import * as b from '../../bson/test-support/bson-bytes.ts';
import { type DocumentSinkFixture, documentSinkContract } from '../../testing/contracts/document-sink.ts';
import { testPostgres } from '../../testing/servers/postgres.ts';
import { sinkContext } from '../../testing/sink-writes.ts';
import { postgresSinkConfig } from './config.ts';
import { postgresSink } from './sink.ts';

const promises = { guarded: true, sweeps: true, empties: true, renames: true };
const refused = [['text', b.string('a\u0000b')]] as const;

for (const delivery of ['at-least-once', 'exactly-once'] as const) {
  const lanes = delivery === 'at-least-once';
  documentSinkContract(`postgres ${delivery}`, { ...promises, lanes, asks: lanes, refused }, () =>
    tables({ delivery, nul: 'dead-letter' }),
  );
}

async function tables(settings: object): Promise<DocumentSinkFixture> {
  const uri = await testPostgres();
  const name = `t${randomBytes(4).toString('hex')}`;
  const [schema, stateSchema] = [`${name}_contract`, `${name}_state`];
  const config = postgresSinkConfig.parse({ uri, schema: `${name}_{db}`, stateSchema, ...settings });
  return {
    open: () => postgresSink.open(config, sinkContext()),
    documents: (coll) =>
      withClient(uri, async (client) => {
        const table = `"${schema}"."${coll}"`;
        const there = await client.query('select to_regclass($1) is not null as there', [table]);
        if (!there.rows[0]?.there) return new Map();
        const { rows } = await client.query(`select _id, (document->>'n')::int as n from ${table}`);
        return new Map(rows.map(({ _id, n }) => [_id as string, n as number]));
      }),
    nameOf: idTextOf,
    cleanup: () =>
      withClient(uri, async (client) => {
        for (const name of [schema, stateSchema]) await client.query(`drop schema if exists "${name}" cascade`);
      }),
  };
}

async function withClient<T>(uri: string, work: (client: Client) => Promise<T>): Promise<T> {
  const client = new Client({ connectionString: uri });
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}
