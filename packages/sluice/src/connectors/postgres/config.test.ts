import assert from 'node:assert/strict';
import { test } from 'node:test';
import { postgresSinkConfig, shownTarget } from './config.ts';

const uri = 'postgres://user:secret@db.example:5433/shop';

function problem(settings: Record<string, unknown>): string {
  const { error } = postgresSinkConfig.safeParse(settings);
  return error?.issues.map(({ path, message }) => `${path.join('.')}: ${message}`).join('; ') ?? '';
}

test('a connection string is enough', () => {
  const config = postgresSinkConfig.parse({ uri });
  assert.equal(config.schema, '{db}');
  assert.equal(config.table, '{coll}');
  assert.equal(config.delivery, 'at-least-once');
  assert.equal(config.nul, 'strip');
  assert.equal(config.keepDeleted, 7 * 24 * 3_600_000);
  assert.equal(config.tls, undefined);
  assert.equal(postgresSinkConfig.parse({ uri, checkpoint: 'target' }).delivery, 'exactly-once');
});

test('where it writes is shown without the login', () => {
  assert.equal(shownTarget(postgresSinkConfig.parse({ uri })), 'postgresql://db.example:5433/shop');
  const host = { host: 'db', user: 'me', password: 'secret', database: 'shop' };
  assert.equal(shownTarget(postgresSinkConfig.parse(host)), 'postgresql://db:5432/shop');
  assert.doesNotMatch(JSON.stringify(postgresSinkConfig.parse(host)), /secret/);
});

test('what contradicts itself is refused', () => {
  assert.match(problem({}), /uri: must be given/);
  assert.match(problem({ uri, host: 'db' }), /uri: already says where/);
  assert.match(problem({ uri: `${uri}?sslmode=prefer` }), /uri: has sslmode=prefer/);
  assert.match(problem({ uri, tls: { cert: 'a' } }), /tls/);
  assert.match(problem({ uri, schema: '{database}' }), /schema: must be a name/);
  assert.match(problem({ uri, stateSchema: 'pg_own' }), /stateSchema: must be a lower-case name/);
  assert.match(problem({ uri, unknown: 1 }), /unknown/);
  assert.equal(problem({ uri, tls: true }), '');
});
