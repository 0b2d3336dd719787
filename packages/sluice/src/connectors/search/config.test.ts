import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inspect } from 'node:util';
import { z } from 'zod';
import { searchSinkConfig } from './config.ts';

const NODES = ['http://127.0.0.1:9200'];

function problems(settings: Record<string, unknown>): readonly string[] {
  const { error } = searchSinkConfig.safeParse({ nodes: NODES, ...settings });
  return (error?.issues ?? []).map(({ path, message }) => `${path.join('.')}: ${message}`);
}

test('nodes are enough, and the defaults keep deletes for a day and write no field of their own', () => {
  const config = searchSinkConfig.parse({ nodes: NODES });
  assert.equal(config.index, '{db}.{coll}');
  assert.deepEqual(config.deletes, { mode: 'remove', gcDeletes: 86_400_000, keepTombstones: 604_800_000 });
  assert.equal(config.mapping.malformed, 'ignore');
  assert.equal(config.idField, undefined);
  assert.equal(config.compression, 'none');
});

test('settings that cannot work are refused with their path', () => {
  const cases: readonly (readonly [Record<string, unknown>, RegExp])[] = [
    [{ nodes: [] }, /^nodes: must name at least one/],
    [{ nodes: Array.from({ length: 21 }, (_, at) => `http://n${at}:9200`) }, /^nodes: must not be more than 20/],
    [{ nodes: ['search.example:9200'] }, /^nodes\.0: must start with https/],
    [{ nodes: ['http://a:9200/?x=1'] }, /^nodes\.0: must not have a query/],
    [{ nodes: ['http://a b'] }, /^nodes\.0: must be a URL/],
    [{ nodes: [7] }, /^nodes\.0: must be a URL/],
    [{ auth: {} }, /^auth: must have exactly one/],
    [{ auth: { apiKey: 'a', basic: { username: 'u', password: 'p' } } }, /^auth: must have exactly one/],
    [{ auth: { apiKey: 'two words' } }, /^auth\.apiKey/],
    [{ auth: { aws: { accessKeyId: 'AKID' } } }, /^auth\.aws: `accessKeyId` and `secretAccessKey` go together/],
    [{ auth: { aws: { sessionToken: 't' } } }, /^auth\.aws\.sessionToken: needs/],
    [{ tls: { ca: 'ca.pem' } }, /^tls: needs `nodes` that start with https/],
    [{ nodes: ['https://a'], tls: { cert: 'c.pem' } }, /^tls: `cert` and `key` go together/],
    [{ nodes: ['https://a', 'http://b'], auth: { apiKey: 'k' } }, /^nodes: must be https:\/\/ all or none/],
    [{ index: 'Orders' }, /^index: must be lower case/],
    [{ index: '_{coll}' }, /^index: must not begin/],
    [{ routing: 'a..b' }, /^routing: must be names/],
    [{ idField: '_id' }, /^idField: must not begin with `_`/],
    [{ idField: 'a.b' }, /^idField: must be a name/],
    [{ mapping: { dynamic: 'maybe' } }, /^mapping\.dynamic: must be true/],
    [{ deletes: { gcDeletes: '1s' } }, /^deletes\.gcDeletes: 1s is out of range/],
    [{ retries: { min: '1m', max: '1s' } }, /^retries\.min/],
  ];
  for (const [settings, expected] of cases) {
    const found = problems(settings);
    assert.ok(
      found.some((problem) => expected.test(problem)),
      `${inspect(settings)} gives ${inspect(found)}`,
    );
  }
});

test('a login in a URL is refused, and nobody sees it', () => {
  const found = problems({ nodes: ['https://user:canary@search.example'] });
  assert.deepEqual(found, ['nodes.0: must not hold a login: use `auth`']);
});

test('secrets do not show in the settings', () => {
  const config = searchSinkConfig.parse({
    nodes: ['https://a'],
    auth: { basic: { username: 'u', password: 'canary-1' } },
    tls: { cert: 'c', key: 'k', keyPassphrase: 'canary-2' },
  });
  assert.doesNotMatch(inspect(config, { depth: null }) + JSON.stringify(config), /canary/);
});

/** Every setting, with its path. */
function* settings(schema: z.core.JSONSchema.BaseSchema, path = ''): Generator<[string, z.core.JSONSchema.BaseSchema]> {
  for (const [name, child] of Object.entries(schema.properties ?? {})) {
    if (typeof child === 'boolean') continue;
    yield [`${path}${name}`, child];
    yield* settings(child, `${path}${name}.`);
    for (const way of child.anyOf ?? []) if (typeof way === 'object') yield* settings(way, `${path}${name}.`);
  }
}

test('every setting is described', () => {
  const schema = z.toJSONSchema(searchSinkConfig, { io: 'input', unrepresentable: 'any' });
  const all = [...settings(schema)];
  assert.ok(all.length > 45, `${all.length} settings were found`);
  assert.deepEqual(
    all.filter(([, { description = '' }]) => !description.endsWith('.')).map(([path]) => path),
    [],
  );
});
