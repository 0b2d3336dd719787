import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inspect } from 'node:util';
import type { Finding } from '../../core/connector.ts';
import { type EndpointAnswer, HttpEndpoint } from '../../testing/servers/http-endpoint.ts';
import { sinkContext } from '../../testing/sink-writes.ts';
import { checkSearchSink } from './check.ts';
import { errorAnswer, jsonAnswer, OPENSEARCH_ROOT, settingsOf } from './client-fixture.ts';
import { timeValueMs } from './time-value.ts';

const ELASTICSEARCH_ROOT = { version: { number: '8.17.3' }, tagline: 'You Know, for Search' };

/** What a healthy cluster without security says, by the start of the path. */
const HEALTHY: Readonly<Record<string, EndpointAnswer>> = {
  '/_cluster/health': jsonAnswer({ status: 'green', number_of_nodes: 3 }),
  '/_nodes/http': jsonAnswer({ nodes: { n1: { http: { max_content_length_in_bytes: 104_857_600 } } } }),
  '/cdc-*/_settings': jsonAnswer({ 'cdc-orders': { settings: { index: { uuid: 'u', gc_deletes: '1d' } } } }),
  '/cdc-orders/_mapping': jsonAnswer({ 'cdc-orders': { mappings: { properties: { a: { type: 'long' } } } } }),
  '/_security': jsonAnswer({ error: 'no handler found for uri' }, 400),
};

interface Case {
  readonly answers?: Readonly<Record<string, EndpointAnswer>>;
  readonly settings?: Record<string, unknown>;
}

async function findingsOf({ answers = {}, settings = {} }: Case): Promise<readonly Finding[]> {
  await using node = await HttpEndpoint.start();
  const all = { ...HEALTHY, ...answers };
  node.answering = ({ path }) => {
    if (path === '/') return all['/'] ?? jsonAnswer(OPENSEARCH_ROOT);
    return all[Object.keys(all).find((start) => start !== '/' && path.startsWith(start)) ?? ''] ?? jsonAnswer({});
  };
  const config = settingsOf([node.origin], { index: 'cdc-{coll}', ...settings });
  const findings = await checkSearchSink(config, sinkContext());
  for (const { method, path } of node.requests) {
    assert.ok(method === 'GET' || /_search\?|_has_privileges/.test(path), `${method} ${path} could change something`);
  }
  return findings;
}

test('a cluster where everything is well has no other finding', async () => {
  const findings = await findingsOf({ settings: { pipeline: 'clean' } });
  assert.deepEqual(
    findings.map(({ check, level }) => `${check} ${level}`),
    [
      'search.reachable ok',
      'search.health ok',
      'search.indexes ok',
      'search.gc-deletes ok',
      'search.fields ok',
      'search.pipeline ok',
    ],
  );
});

test('what is wrong is found, with what to do about it', async () => {
  const forbidden = errorAnswer(403, 'security_exception', 'no permissions for [indices:monitor/settings/get]');
  const indexes = (index: object) => ({ '/cdc-*/_settings': jsonAnswer({ 'cdc-a': { settings: { index } } }) });
  const aliased = (...of: object[]) => ({
    '/_alias/cdc-*': jsonAnswer(
      Object.fromEntries(
        of.map((alias, at) => [at === 0 ? 'cdc-orders' : `cdc-${at}`, { aliases: { 'cdc-alias': alias } }]),
      ),
    ),
  });
  const named = (name: string) => jsonAnswer({ [name]: { settings: { index: { uuid: 'u' } } } });
  const lacking = { has_all_requested: false, index: { 'cdc-*': { read: true, write: false, create_index: false } } };
  const cases: readonly (readonly [Case, string, RegExp])[] = [
    [{ answers: { '/': errorAnswer(401, 'security_exception') } }, 'search.reachable error', /login is not accepted/],
    [{ answers: { '/': errorAnswer(403, 'security_exception') } }, 'search.reachable warning', /do not say what/],
    [{ answers: { '/_cluster/health': jsonAnswer({ status: 'red' }) } }, 'search.health error', /red/],
    [{ answers: { '/_cluster/health': forbidden } }, 'search.health warning', /cannot be looked at/],
    [{ answers: { '/_cluster/health': 503 } }, 'search.health error', /not available/],
    [{ answers: { '/cdc-*/_settings': forbidden } }, 'search.indexes error', /indices:monitor\/settings\/get/],
    [{ answers: { '/cdc-*/_search': forbidden } }, 'search.privileges error', /may not do/],
    [
      { answers: { '/': jsonAnswer(ELASTICSEARCH_ROOT), '/_security': jsonAnswer(lacking) } },
      'search.privileges error',
      /lacks write, create_index on cdc-\*/,
    ],
    [
      { answers: { '/cdc-*/_settings': jsonAnswer({}) }, settings: { createIndexes: false } },
      'search.indexes error',
      /none must be made/,
    ],
    [{ answers: indexes({ uuid: 'u' }) }, 'search.gc-deletes warning', /not remembered for 1d .* by "cdc-a"/],
    [{ answers: indexes({ uuid: 'u', gc_deletes: '23h' }) }, 'search.gc-deletes warning', /brings documents back/],
    [
      { answers: indexes({ translog: { durability: 'async' } }) },
      'search.durability warning',
      /lost when a node fails .*"cdc-a"/,
    ],
    [{ answers: aliased({ is_write_index: true }, {}) }, 'search.not-an-index error', /"cdc-alias"/],
    [
      { answers: { '/orders/_settings': named('.ds-orders-000001') }, settings: { index: 'orders' } },
      'search.not-an-index error',
      /data stream: "orders"/,
    ],
    [{ answers: indexes({ blocks: { write: 'true' } }) }, 'search.blocks error', /blocked against writes: "cdc-a"/],
    [
      { answers: { '/_ingest': jsonAnswer({}, 404) }, settings: { pipeline: 'clean' } },
      'search.pipeline error',
      /"clean" does not exist/,
    ],
    [
      {
        answers: {
          '/_nodes/http': jsonAnswer({ nodes: { a: { http: { max_content_length_in_bytes: 10_485_760 } } } }),
        },
      },
      'search.request-size warning',
      /up to 10MiB, MongoDB documents go to 16MiB/,
    ],
    [
      {
        answers: {
          ...indexes({ mapping: { total_fields: { limit: '5' } } }),
          '/cdc-a/_mapping': jsonAnswer({
            'cdc-a': { mappings: { properties: { m: { properties: { x: {}, y: {}, z: {} } } } } },
          }),
        },
      },
      'search.fields warning',
      /"cdc-a" uses 4 of 5 fields, most of them in "m" \(3\)/,
    ],
    [{ settings: { mapping: { dynamic: 'runtime' } } }, 'search.mapping error', /no runtime fields/],
  ];
  for (const [at, expected, message] of cases) {
    const findings = await findingsOf(at);
    const found = findings.find(({ check, level }) => `${check} ${level}` === expected);
    assert.ok(found, `${expected} is not in ${inspect(findings)}`);
    assert.match(found.message, message);
    assert.ok(found.fix, `${expected} says what to do`);
  }
});

test('with tombstones it does not matter how long an index remembers deletes', async () => {
  const findings = await findingsOf({
    answers: { '/cdc-*/_settings': jsonAnswer({ 'cdc-a': { settings: { index: { uuid: 'u' } } } }) },
    settings: { deletes: { mode: 'tombstone' } },
  });
  assert.ok(
    findings.every(({ level }) => level === 'ok'),
    inspect(findings),
  );
});

test('aliases for searching, and those of one index, are no findings', async () => {
  const cases: readonly (readonly [string, object])[] = [
    ['cdc-{coll}', { 'cdc-orders': { aliases: { all: {} } }, 'cdc-b': { aliases: { all: {} } } }],
    ['cdc-orders', { 'cdc-orders-1': { aliases: { 'cdc-orders': { is_write_index: true } } } }],
  ];
  for (const [index, answer] of cases) {
    const findings = await findingsOf({ answers: { '/_alias/': jsonAnswer(answer) }, settings: { index } });
    assert.ok(
      findings.every(({ check }) => check !== 'search.not-an-index'),
      inspect(findings),
    );
  }
});

test('of a template that could mean any index only those count that Sluice has made', async () => {
  const short = { settings: { index: { uuid: 'u' } } };
  const findings = await findingsOf({
    answers: {
      '/*.*/_settings': jsonAnswer({ 'shop.orders': short, 'logs.nginx': short }),
      '/*.*/_mapping': jsonAnswer({ 'shop.orders': { mappings: { _meta: { sluice: {} } } } }),
    },
    settings: { index: '{db}.{coll}' },
  });
  const found = findings.find(({ check }) => check === 'search.gc-deletes');
  assert.match(found?.message ?? '', /"shop\.orders"/);
  assert.doesNotMatch(found?.message ?? '', /nginx/);
});

test('indexes that were made by hand are there, although they bear no mark yet', async () => {
  const made = jsonAnswer({ 'shop.orders': { settings: { index: { uuid: 'u' } } } });
  const answers = { '/*.*/_settings': made };
  const findings = await findingsOf({ answers, settings: { index: '{db}.{coll}', createIndexes: false } });
  assert.ok(
    findings.every(({ level }) => level === 'ok'),
    inspect(findings),
  );
  assert.ok(findings.some(({ message }) => /1 index of .* found/.test(message)));
});

test('a login over http to another host, and certificates that nobody checks, are warnings', async () => {
  const auth = { basic: { username: 'ann', password: 'canary' } };
  const cases: readonly (readonly [string, Record<string, unknown>, RegExp | undefined])[] = [
    ['http://192.0.2.1:1', { auth }, /login and all documents go to 192\.0\.2\.1:1 over http/],
    ['https://127.0.0.1:1', { tls: { insecure: true } }, /any certificate is accepted/],
    ['http://127.0.0.1:1', { auth }, undefined],
    ['http://[::1]:1', { auth }, undefined],
  ];
  for (const [node, more, expected] of cases) {
    const findings = await checkSearchSink(settingsOf([node], { requestTimeout: '100ms', ...more }), sinkContext());
    const found = findings.find(({ check }) => check === 'search.tls');
    if (expected === undefined) assert.equal(found, undefined);
    else assert.match(found?.message ?? '', expected);
    assert.doesNotMatch(inspect(findings), /canary/);
  }
});

test('an abort of the check comes through', async () => {
  const reason = new Error('enough');
  const checking = checkSearchSink(
    settingsOf(['http://127.0.0.1:1']),
    sinkContext({ signal: AbortSignal.abort(reason) }),
  );
  await assert.rejects(checking, (error) => error === reason);
});

test('times of settings are read with every unit', () => {
  const cases: readonly (readonly [unknown, number | undefined])[] = [
    ['60s', 60_000],
    ['1.5h', 5_400_000],
    ['1d', 86_400_000],
    ['500ms', 500],
    ['3m', 180_000],
    ['2000micros', 2],
    ['0', 0],
    ['-1', undefined],
    ['soon', undefined],
    [undefined, undefined],
  ];
  for (const [value, expected] of cases) assert.equal(timeValueMs(value), expected, String(value));
});
