import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SluiceError } from '../core/failure.ts';
import { silentLogger } from '../core/logger.ts';
import type { SchemaView } from '../schema/schema-memory.ts';
import { testSnapshot, testStatus } from '../testing/statuses.ts';
import { createApp } from './http.ts';
import { createMetrics } from './metrics.ts';
import type { SchemaControl } from './schema-routes.ts';

const HOST = '127.0.0.1:8380';
const PATH = '/api/pipelines/orders/schema';
const VIEW: SchemaView = {
  pipeline: 'orders',
  onChange: 'warn',
  learnDocuments: 100,
  store: 'file ./state',
  collections: [],
  changes: [],
};

function setUp(accept: SchemaControl['accept'] = async () => 2) {
  const app = createApp({
    host: '127.0.0.1',
    port: 0,
    pipelines: () => [testStatus(), testStatus({ name: 'users' })],
    control: async () => testSnapshot(),
    schemas: { view: (pipeline) => (pipeline === 'orders' ? VIEW : undefined), accept },
    metrics: createMetrics({ version: '1.2.3', processMetrics: false }),
    logger: silentLogger,
  });
  return async (path: string, body?: string, headers: Record<string, string> = {}) => {
    const init = body === undefined ? {} : { method: 'POST', body };
    const all = { host: HOST, ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...headers };
    const response = await app.request(`http://${HOST}${path}`, { ...init, headers: all });
    const answer = (await response.json()) as Record<string, unknown> & { error?: { code: string } };
    return [response.status, answer.error?.code ?? answer] as const;
  };
}

test('the schema of a pipeline is told, or that there is none', async () => {
  const ask = setUp();
  assert.deepEqual(await ask(PATH), [200, VIEW]);
  assert.deepEqual(await ask('/api/pipelines/users/schema'), [404, 'http.no-schema']);
  assert.deepEqual(await ask('/api/pipelines/nope/schema'), [404, 'http.no-such-pipeline']);
});

test('changes are accepted by those who may', async () => {
  const asked: string[] = [];
  const ask = setUp(async (pipeline) => {
    asked.push(pipeline);
    return 2;
  });
  const body = '{"action": "accept"}';
  assert.deepEqual(await ask(PATH, body), [200, { accepted: 2 }]);
  assert.deepEqual(await ask('/api/pipelines/users/schema', body), [404, 'http.no-schema']);
  assert.deepEqual(await ask(PATH, body, { origin: 'https://evil.example' }), [403, 'http.foreign-origin']);
  assert.deepEqual(await ask(PATH, body, { 'content-type': 'text/plain' }), [415, 'http.not-json']);
  assert.deepEqual(await ask(PATH, body.padEnd(2000)), [413, 'http.body-too-large']);
  for (const wrong of ['', '{', 'null', '{"action": "drop"}']) {
    assert.deepEqual(await ask(PATH, wrong), [400, 'http.invalid-body'], wrong);
  }
  assert.deepEqual(asked, ['orders']);
});

test('what cannot be accepted is told with its code', async () => {
  for (const [kind, status] of [
    ['transient', 503],
    ['config', 409],
    ['internal', 500],
  ] as const) {
    const ask = setUp(async () => {
      throw new SluiceError('no', { kind, code: 'test.refused' });
    });
    assert.deepEqual(await ask(PATH, '{"action":"accept"}'), [status, 'test.refused']);
  }
});

test('changes are counted by collection and kind', async () => {
  const metrics = createMetrics({ version: '1.2.3', processMetrics: false });
  const telemetry = metrics.telemetryFor('orders');
  telemetry.schemaChange('shop.users', 'field-added');
  telemetry.schemaChange('shop.users', 'field-added');
  const labels = 'pipeline="orders",collection="shop.users",kind="field-added"';
  assert.ok((await metrics.render([])).includes(`sluice_schema_changes_total{${labels}} 2\n`));
});
