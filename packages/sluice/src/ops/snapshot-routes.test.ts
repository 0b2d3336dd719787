import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SluiceError } from '../core/failure.ts';
import { type Logger, silentLogger } from '../core/logger.ts';
import type { SnapshotCommand } from '../core/snapshot.ts';
import { testSnapshot, testStatus } from '../testing/statuses.ts';
import { createApp } from './http.ts';
import { createMetrics } from './metrics.ts';
import type { SnapshotControl } from './snapshot-routes.ts';

const PATH = '/api/pipelines/orders/snapshot';
const HOST = '127.0.0.1:8380';

interface Setup {
  readonly control?: SnapshotControl;
  readonly token?: string;
}

function setUp({ control, token }: Setup = {}) {
  const commands: (readonly [pipeline: string, command: SnapshotCommand])[] = [];
  const audit: object[] = [];
  const note = (fields: object, message: string) => void audit.push({ ...fields, message });
  const logger: Logger = { ...silentLogger, info: note, warn: note };
  const app = createApp({
    host: '127.0.0.1',
    port: 0,
    token,
    pipelines: () => [testStatus({ snapshot: testSnapshot() }), testStatus({ name: 'users' })],
    control: async (pipeline, command, signal) => {
      commands.push([pipeline, command]);
      return control === undefined ? testSnapshot({ reason: 'on-demand' }) : control(pipeline, command, signal);
    },
    metrics: createMetrics({ version: '1.2.3', processMetrics: false }),
    logger,
  });
  const ask = async (path: string, init: RequestInit = {}) => {
    const headers = { host: HOST, ...(init.headers as Record<string, string>) };
    const response = await app.request(`http://${HOST}${path}`, { ...init, headers });
    const { status } = response;
    return { status, body: (await response.json()) as Record<string, unknown> & { error: Record<string, string> } };
  };
  const post = (body: unknown, headers: Record<string, string> = {}, path = PATH) =>
    ask(path, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: typeof body === 'string' ? body : JSON.stringify(body),
    });
  return { commands, audit, ask, post };
}

test('a snapshot is started, paused, resumed and cancelled', async () => {
  const { commands, audit, post } = setUp();
  const started = await post({ action: 'start', collections: ['shop.*'], match: { status: 'secret' } });
  assert.deepEqual([started.status, started.body['reason']], [202, 'on-demand']);
  for (const action of ['pause', 'resume', 'cancel']) assert.equal((await post({ action })).status, 200);
  assert.equal((await post({ action: 'start' })).status, 202);
  assert.deepEqual(commands, [
    ['orders', { action: 'start', collections: ['shop.*'], match: '{"status":"secret"}' }],
    ['orders', { action: 'pause' }],
    ['orders', { action: 'resume' }],
    ['orders', { action: 'cancel' }],
    ['orders', { action: 'start', collections: [], match: undefined }],
  ]);
  assert.deepEqual(audit[0], {
    pipeline: 'orders',
    action: 'start',
    collections: ['shop.*'],
    filtered: true,
    from: undefined,
    message: 'snapshot command carried out',
  });
  assert.equal(audit.length, 5);
  assert.doesNotMatch(JSON.stringify(audit), /secret/, 'a query may hold data');
});

test('the snapshot of a pipeline is told, or that there is none', async () => {
  const { ask } = setUp();
  const known = await ask(PATH);
  assert.deepEqual([known.status, known.body['percent']], [200, 43]);
  const none = await ask('/api/pipelines/users/snapshot');
  assert.deepEqual([none.status, none.body.error['code']], [404, 'http.no-snapshot']);
  const unknown = await ask('/api/pipelines/nope/snapshot');
  assert.deepEqual([unknown.status, unknown.body.error['code']], [404, 'http.no-such-pipeline']);
});

const BAD_BODIES: readonly (readonly [title: string, body: unknown, expected: RegExp])[] = [
  ['no JSON', '{', /not JSON: .*position 1/],
  ['nothing', '', /not JSON/],
  ['a list', [], /expected object/],
  ['no action', {}, /action: /],
  ['an unknown action', { action: 'explode' }, /action: /],
  ['an unknown key', { action: 'start', collection: 'a.b' }, /collection/],
  ['collections of a pause', { action: 'pause', collections: ['a.b'] }, /collections/],
  ['a text for collections', { action: 'start', collections: 'a.b' }, /collections: .*array/],
  ['an empty pattern', { action: 'start', collections: [''] }, /collections: 0: /],
  ['a text for a query', { action: 'start', match: '{}' }, /match: /],
];

for (const [title, body, expected] of BAD_BODIES) {
  test(`a body with ${title} is refused`, async () => {
    const { commands, post } = setUp();
    const answer = await post(body);
    assert.deepEqual([answer.status, answer.body.error['code']], [400, 'http.invalid-body']);
    assert.match(answer.body.error['message'] ?? '', expected);
    assert.deepEqual(commands, []);
  });
}

test('pages of other sites are refused, and whatever a form could send', async () => {
  const { commands, ask, post } = setUp();
  const pause = { action: 'pause' };
  for (const origin of ['https://evil.example', 'null', `http://${HOST}.evil.example`, 'http://127.0.0.1:9999']) {
    const { status, body } = await post(pause, { origin });
    assert.deepEqual([status, body.error['code']], [403, 'http.foreign-origin'], origin);
  }
  for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data', 'application/jsonp']) {
    const { status, body } = await post(pause, { 'content-type': type });
    assert.deepEqual([status, body.error['code']], [415, 'http.not-json'], type);
  }
  const evil = await ask(PATH, { method: 'POST', headers: { host: 'evil.example' } });
  assert.equal(evil.status, 403);
  assert.deepEqual(commands, []);
  assert.equal((await post(pause, { origin: `http://${HOST}` })).status, 200);
  assert.equal((await post(pause, { 'content-type': 'application/json; charset=utf-8' })).status, 200);
});

test('only bearers of the token may send commands', async () => {
  const { commands, post } = setUp({ token: 'correct-horse-battery' });
  assert.equal((await post({ action: 'pause' })).status, 401);
  assert.deepEqual(commands, []);
  assert.equal((await post({ action: 'pause' }, { authorization: 'Bearer correct-horse-battery' })).status, 200);
});

test('a body that is too large is not read', async () => {
  const { commands, post } = setUp();
  const { status, body } = await post({ action: 'start', match: { text: 'x'.repeat(70_000) } });
  assert.deepEqual([status, body.error['code']], [413, 'http.body-too-large']);
  assert.deepEqual(commands, []);
});

test('what a pipeline refuses is told with code, message and hint', async () => {
  const failure = (kind: SluiceError['kind']) => async () => {
    throw new SluiceError('it cannot be', { kind, code: 'test.refused', hint: 'Wait.' });
  };
  for (const [kind, expected] of [
    ['config', 409],
    ['transient', 503],
    ['internal', 500],
  ] as const) {
    const { audit, post } = setUp({ control: failure(kind) });
    const { status, body } = await post({ action: 'pause' });
    assert.equal(status, expected);
    assert.deepEqual(body.error, { code: 'test.refused', message: 'it cannot be', hint: 'Wait.' });
    const [{ code, message }] = audit as [{ code: string; message: string }];
    assert.deepEqual([code, message], ['test.refused', 'snapshot command failed']);
  }
});
