import assert from 'node:assert/strict';
import { once } from 'node:events';
import { request } from 'node:http';
import { connect } from 'node:net';
import { test } from 'node:test';
import { silentLogger } from '../core/logger.ts';
import type { PipelineStatus } from '../core/status.ts';
import { testStatus } from '../testing/statuses.ts';
import { type HttpOptions, startHttp } from './http.ts';
import { createMetrics } from './metrics.ts';

async function endpoint(statuses: readonly PipelineStatus[], options: Partial<HttpOptions> = {}) {
  const metrics = createMetrics({ version: '1.2.3' });
  return startHttp({
    host: '127.0.0.1',
    port: 0,
    pipelines: () => statuses,
    metrics,
    logger: silentLogger,
    control: () => Promise.reject(new Error('not expected')),
    ...options,
  });
}

async function get(url: string, init?: RequestInit) {
  const response = await fetch(url, init);
  const text = await response.text();
  return { status: response.status, text, json: () => JSON.parse(text), headers: response.headers };
}

/** `fetch` does not let a caller choose the Host header. */
function statusForHost(url: string, host: string): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    request(url, { headers: { host } }, (response) => resolve(response.resume().statusCode))
      .on('error', reject)
      .end();
  });
}

test('healthy pipelines: live, ready, up, listed', async () => {
  await using http = await endpoint([testStatus(), testStatus({ name: 'users' })]);
  assert.equal((await get(`${http.url}/livez`)).status, 200);
  const ready = await get(`${http.url}/readyz`);
  assert.equal(ready.status, 200);
  assert.deepEqual(
    ready.json().pipelines.map(({ pipeline }: { pipeline: string }) => pipeline),
    ['orders', 'users'],
  );
  assert.deepEqual((await get(`${http.url}/healthz`)).json().components.orders, { status: 'UP', state: 'running' });
  assert.equal((await get(`${http.url}/api/pipelines`)).json().pipelines.length, 2);
  assert.equal((await get(`${http.url}/api/pipelines/users`)).json().lagMs, 120);
  assert.equal((await get(`${http.url}/api/pipelines/users/health`)).status, 200);
});

test('one stalled pipeline: not ready, and it says which and why', async () => {
  const stalled = testStatus({ name: 'users', stalled: true, lagEvents: 9 });
  await using http = await endpoint([testStatus(), stalled]);
  const ready = await get(`${http.url}/readyz`);
  assert.equal(ready.status, 503);
  assert.match(ready.json().pipelines[1].reason, /has not acknowledged 9 events/);
  assert.equal((await get(`${http.url}/healthz`)).json().components.users.status, 'DOWN');
  assert.equal((await get(`${http.url}/api/pipelines/orders/health`)).status, 200);
  assert.equal((await get(`${http.url}/api/pipelines/users/health`)).status, 503);
  assert.equal((await get(`${http.url}/livez`)).status, 200);
});

test('unknown paths and pipelines are 404 with a reason', async () => {
  await using http = await endpoint([testStatus()]);
  assert.equal((await get(`${http.url}/nope`)).json().error.code, 'http.not-found');
  assert.equal((await get(`${http.url}/api/pipelines/nope`)).json().error.code, 'http.no-such-pipeline');
});

test('metrics have the prometheus text form', async () => {
  await using http = await endpoint([testStatus()]);
  const metrics = await get(`${http.url}/metrics`);
  assert.match(metrics.headers.get('content-type') ?? '', /^text\/plain; version=0\.0\.4/);
  assert.match(metrics.text, /^sluice_events_delivered_total\{pipeline="orders"\} 990$/m);
});

test('a foreign Host header is refused on loopback', async () => {
  await using http = await endpoint([testStatus()]);
  assert.equal(await statusForHost(`${http.url}/api/pipelines`, 'evil.example.org'), 403);
  assert.equal(await statusForHost(`${http.url}/api/pipelines`, 'localhost:1'), 200);
});

test('with a token only its bearers get in', async () => {
  await using http = await endpoint([testStatus()], { token: 'correct-horse-battery' });
  const status = async (authorization?: string) =>
    (await get(`${http.url}/metrics`, authorization === undefined ? {} : { headers: { authorization } })).status;
  assert.equal(await status(), 401);
  assert.equal(await status('Bearer wrong'), 401);
  assert.equal(await status('Bearer correct-horse-battery'), 200);
  assert.equal((await get(`${http.url}/livez`)).status, 200);
});

test('other machines only with a token', async () => {
  await assert.rejects(endpoint([], { host: '0.0.0.0' }), { code: 'http.token-required' });
  await using http = await endpoint([], { host: '0.0.0.0', token: 'correct-horse-battery' });
  assert.match(http.url, /^http:/);
});

test('a taken address is a configuration error that names it', async () => {
  await using first = await endpoint([]);
  const port = Number(new URL(first.url).port);
  await assert.rejects(endpoint([], { port }), {
    code: 'http.listen',
    message: new RegExp(`127\\.0\\.0\\.1:${port}.*in use`),
  });
});

test('closing does not wait for idle connections, nor for requests that never end', { timeout: 20_000 }, async () => {
  const http = await endpoint([testStatus()]);
  const socket = connect(Number(new URL(http.url).port), '127.0.0.1');
  socket.on('error', () => {}).write('GET /livez HTTP/1.1\r\n');
  await once(socket, 'connect');
  await get(`${http.url}/livez`);
  await http[Symbol.asyncDispose]();
  await assert.rejects(fetch(`${http.url}/livez`));
  socket.destroy();
});
