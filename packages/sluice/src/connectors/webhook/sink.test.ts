import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { SluiceError } from '../../core/failure.ts';
import { testEvent } from '../../testing/events.ts';
import { HttpEndpoint } from '../../testing/servers/http-endpoint.ts';
import { writeEvents } from '../../testing/sink-writes.ts';
import { waitFor } from '../../testing/wait-for.ts';
import { openSink, recordingLogger, settingsFor } from './sink-fixture.ts';

const SECRET = `whsec_${Buffer.alloc(32, 1).toString('base64')}`;
const events = (count: number, id?: number) =>
  Array.from({ length: count }, (_, sequence) => testEvent({ sequence, id: id ?? sequence }));
const bodies = (endpoint: HttpEndpoint) => endpoint.taken.map(({ body }) => body.toString());
const tokens = (list: readonly { position: { token: string } }[]) => list.map(({ position }) => position.token);
/** An answer that gives other requests time to come. */
const later = (status: number) => (response: ServerResponse) =>
  void setTimeout(() => response.writeHead(status).end(), 5);
const idsOf = (endpoint: HttpEndpoint) => endpoint.requests.map(({ headers }) => headers['webhook-id']);

test('a request is signed over exactly its bytes and says what it holds', async () => {
  await using endpoint = await HttpEndpoint.start();
  const more = {
    signing: [SECRET, `whsec_${Buffer.alloc(24, 2).toString('base64')}`],
    auth: { method: 'basic', username: 'u', password: 'p:w' },
    headers: { 'X-Tenant': 'acme' },
    secretHeaders: { 'X-Api-Key': 'k' },
    url: `${endpoint.origin}/in/{db}/{coll}?v=1`,
  };
  await using sink = await openSink(settingsFor(endpoint, more), { pipeline: 'orders' });
  const event = testEvent({ sequence: 7, op: 'update', namespace: { db: 'shop', coll: 'é b' } });
  await writeEvents(sink, [event], { owner: { partition: 'orders/0', epoch: 4 } });
  const [request] = endpoint.requests;
  assert.ok(request);
  const { headers, body } = request;
  assert.deepEqual(
    [request.method, request.path, body.toString()],
    ['POST', '/in/shop/%C3%A9%20b?v=1', event.position.token],
  );
  const signedText = [headers['webhook-id'], headers['webhook-timestamp'], body.toString()].join('.');
  const expected = createHmac('sha256', Buffer.alloc(32, 1)).update(signedText).digest('base64');
  const [first, second] = String(headers['webhook-signature']).split(' ');
  assert.equal(first, `v1,${expected}`);
  assert.match(second ?? '', /^v1,/);
  assert.equal(headers['webhook-id'], `orders_${event.id}`);
  assert.ok(Math.abs(Number(headers['webhook-timestamp']) - Date.now() / 1000) < 60);
  const { clusterTime, ordinal } = event.version;
  assert.deepEqual(
    [
      'content-type',
      'sluice-op',
      'sluice-ns',
      'sluice-version',
      'sluice-epoch',
      'x-tenant',
      'x-api-key',
      'authorization',
    ].map((name) => headers[name]),
    [
      'text/plain',
      'update',
      'shop.%C3%A9%20b',
      `${clusterTime.t},${clusterTime.i},${ordinal}`,
      '4',
      'acme',
      'k',
      `Basic ${Buffer.from('u:p:w').toString('base64')}`,
    ],
  );
});

test('a hang, a reset, 500, then 429 with Retry-After, then 200: everything arrives once, in order', async () => {
  await using endpoint = await HttpEndpoint.start();
  const retryAfter = { status: 429, headers: { 'retry-after': '86400' } };
  endpoint.next.push(200, 'hang', 'reset', 500, retryAfter, 503, 200);
  const more = { timeout: '2s', retry: { min: '1ms', max: '2ms', retryAfterMax: '30ms' } };
  await using sink = await openSink(settingsFor(endpoint, more));
  const written = events(4, 1);
  const result = await writeEvents(sink, written);
  assert.deepEqual(result, { delivered: 4, filtered: 0, rejections: [] });
  assert.deepEqual(bodies(endpoint), tokens(written));
  const [first, , third, fourth] = written.map(({ id }) => `contract_${id}`);
  assert.deepEqual(idsOf(endpoint), [first, ...Array<string>(6).fill(`contract_${written[1]?.id}`), third, fourth]);
});

test('the breaker opens, probes one request at a time, and closes with nothing dropped', async () => {
  await using endpoint = await HttpEndpoint.start();
  const logger = recordingLogger();
  // Those that fail before it opens come again long after.
  const more = { breaker: { failures: 3, wait: '20ms', maxWait: '40ms' }, retry: { min: '200ms', max: '200ms' } };
  await using sink = await openSink(settingsFor(endpoint, more), { logger });
  endpoint.answering = () => later(503);
  const lanes = Array.from({ length: 8 }, (_, lane) =>
    Array.from({ length: 3 }, (_, step) => testEvent({ sequence: step * 8 + lane, id: lane })),
  );
  const writes = Promise.all(lanes.map((lane) => writeEvents(sink, lane)));
  await waitFor(() => logger.lines.some(({ level }) => level === 'warn'), {
    timeoutMs: 30_000,
    message: 'the breaker opens',
  });
  // Every lane has sent its first request, and the sink knows what became of all that were sent.
  const failed = () => logger.lines.filter(({ level }) => level === 'debug').length;
  const over = () =>
    new Set(idsOf(endpoint)).size === lanes.length && failed() === endpoint.requests.length && endpoint.open === 0;
  await waitFor(over, { timeoutMs: 30_000, intervalMs: 2, message: 'the requests before it end' });
  endpoint.mostOpen = 0;
  const before = endpoint.requests.length;
  await waitFor(() => endpoint.requests.length >= before + 4, { timeoutMs: 30_000, message: 'probes come' });
  assert.equal(endpoint.mostOpen, 1, 'only probes');
  assert.equal(endpoint.taken.length, 0);
  endpoint.answering = () => 200;
  await writes;
  assert.equal(endpoint.taken.length, 24);
  for (const [lane, own] of lanes.entries()) {
    assert.deepEqual(
      bodies(endpoint).filter((token) => tokens(own).includes(token)),
      tokens(own),
      `lane ${lane}`,
    );
  }
  const said = logger.lines.filter(({ level }) => level !== 'debug').map(({ level, message }) => `${level} ${message}`);
  assert.deepEqual(
    said.map((line) => line.replace(/:.*/, '')),
    ['warn circuit breaker open', 'info circuit breaker closed'],
  );
});

test('lanes do not wait for each other', async () => {
  await using endpoint = await HttpEndpoint.start();
  endpoint.answering =
    ({ path }) =>
    (response) =>
      void waitFor(() => endpoint.mostOpen >= 8, {
        timeoutMs: 30_000,
        message: `8 requests are open at ${path}`,
      }).finally(() => response.writeHead(200).end());
  await using sink = await openSink(settingsFor(endpoint));
  assert.equal(sink.limits.lanes, 8);
  await Promise.all(events(8).map((event) => writeEvents(sink, [event])));
  assert.equal(endpoint.mostOpen, 8);
});

test('Retry-After holds up every lane, and a long one is in the log', async () => {
  await using endpoint = await HttpEndpoint.start();
  endpoint.next.push({ status: 429, headers: { 'retry-after': '3600' } });
  const stop = new AbortController();
  const logger = recordingLogger();
  await using sink = await openSink(settingsFor(endpoint), { logger });
  const first = assert.rejects(writeEvents(sink, [testEvent({ sequence: 1 })], { signal: stop.signal }), {
    name: 'AbortError',
  });
  // The log: that the endpoint has answered does not mean that the sink has read it.
  await waitFor(() => logger.lines.length > 0, { timeoutMs: 30_000, message: 'the answer' });
  const second = assert.rejects(writeEvents(sink, [testEvent({ sequence: 2 })], { signal: stop.signal }), {
    name: 'AbortError',
  });
  await delay(50);
  stop.abort();
  await Promise.all([first, second]);
  assert.equal(endpoint.requests.length, 1);
  assert.deepEqual(
    logger.lines.map(({ level, fields }) => [level, fields['waitMs']]),
    [['warn', 600_000]],
  );
});

test('one path that fails does not hold up another', async () => {
  await using endpoint = await HttpEndpoint.start();
  endpoint.answering = ({ path }) => (path === '/bad' ? 500 : 200);
  const stop = new AbortController();
  const more = { url: `${endpoint.origin}/{coll}`, breaker: { failures: 1, wait: '1h', maxWait: '1h' } };
  await using sink = await openSink(settingsFor(endpoint, more));
  const to = (coll: string, sequence: number) => testEvent({ sequence, namespace: { db: 'd', coll } });
  const stuck = assert.rejects(writeEvents(sink, [to('bad', 1)], { signal: stop.signal }));
  await waitFor(() => endpoint.requests.length === 1, { timeoutMs: 30_000, message: 'the first request' });
  await writeEvents(sink, [to('good', 2), to('good', 3)]);
  assert.deepEqual(
    endpoint.taken.map(({ path }) => path),
    ['/good', '/good'],
  );
  stop.abort();
  await stuck;
});

test('a stop does not wait for an endpoint that hangs, nor for a breaker or a wait', async () => {
  const waits: Readonly<Record<string, { answer: 'hang' | number; more: Record<string, unknown> }>> = {
    hang: { answer: 'hang', more: { timeout: '10m' } },
    breaker: { answer: 500, more: { breaker: { failures: 1, wait: '1h', maxWait: '1h' } } },
    outage: { answer: 500, more: { retry: { min: '1h', max: '1h' } } },
    refused: { answer: 400, more: { retry: { min: '1h', max: '1h' } } },
  };
  for (const [what, { answer, more }] of Object.entries(waits)) {
    await using endpoint = await HttpEndpoint.start();
    endpoint.answering = () => answer;
    const stop = new AbortController();
    await using sink = await openSink(settingsFor(endpoint, more));
    const write = writeEvents(sink, [testEvent()], { signal: stop.signal });
    await waitFor(() => endpoint.requests.length === 1, { timeoutMs: 30_000, message: `the request (${what})` });
    stop.abort();
    await assert.rejects(write, { name: 'AbortError' }, what);
    await assert.rejects(writeEvents(sink, [testEvent()]), 'the sink is only good for disposal');
    assert.equal(endpoint.requests.length, 1, what);
  }
});

test('an event that is refused comes a few times, then goes to the dead letters, and the next one is delivered', async () => {
  await using endpoint = await HttpEndpoint.start();
  const written = events(3, 1);
  endpoint.answering = ({ body }) => (body.toString() === written[1]?.position.token ? 422 : 200);
  await using sink = await openSink(settingsFor(endpoint, { attempts: 4 }));
  const { rejections, ...result } = await writeEvents(sink, written);
  assert.deepEqual(result, { delivered: 2, filtered: 0 });
  const [{ envelope, error } = assert.fail()] = rejections;
  assert.deepEqual([envelope.event.id, error.kind, error.code], [written[1]?.id, 'rejected', 'webhook.refused']);
  assert.match(error.message, /^http:\/\/127\.0\.0\.1:\d+ answered 422 to the event, 4 times$/);
  assert.equal(endpoint.requests.length, 6);
});

for (const [status, code] of [
  [301, 'webhook.redirect'],
  [307, 'webhook.redirect'],
  [405, 'webhook.method'],
  [410, 'webhook.gone'],
  [415, 'webhook.media-type'],
] as const) {
  test(`${status} stops the pipeline, and nothing is sent elsewhere`, async () => {
    await using elsewhere = await HttpEndpoint.start();
    await using endpoint = await HttpEndpoint.start();
    endpoint.next.push({ status, headers: { location: `${elsewhere.origin}/` } });
    await using sink = await openSink(settingsFor(endpoint));
    await assert.rejects(writeEvents(sink, events(2)), (error) => {
      assert.ok(error instanceof SluiceError && error.hint !== undefined);
      assert.deepEqual([error.kind, error.code], ['config', code]);
      return true;
    });
    await assert.rejects(writeEvents(sink, events(1)), { code });
    assert.deepEqual([endpoint.requests.length, elsewhere.requests.length], [1, 0]);
  });
}

for (const [status, code] of [
  [401, 'webhook.authentication'],
  [403, 'webhook.authorization'],
  [404, 'webhook.not-found'],
  [408, 'webhook.busy'],
  [425, 'webhook.busy'],
  [502, 'webhook.server-error'],
] as const) {
  test(`${status} is waited out, with its reason in the log`, async () => {
    await using endpoint = await HttpEndpoint.start();
    const logger = recordingLogger();
    endpoint.next.push(...Array<number>(5).fill(status));
    await using sink = await openSink(settingsFor(endpoint), { logger });
    assert.equal((await writeEvents(sink, events(1))).delivered, 1);
    const warning = logger.lines.find(({ level }) => level === 'warn');
    assert.deepEqual([warning?.fields['code'], warning?.fields['endpoint']], [code, endpoint.origin]);
    assert.ok((code === 'webhook.busy' || code === 'webhook.server-error') !== 'hint' in (warning?.fields ?? {}));
  });
}

test('an answer without end is not waited for: the status is enough', async () => {
  await using endpoint = await HttpEndpoint.start();
  endpoint.next.push((response) => {
    response.writeHead(200);
    const flood = () => {
      while (!response.destroyed && response.write(Buffer.alloc(65_536))) {}
    };
    response.on('drain', flood);
    flood();
  });
  endpoint.next.push((response) => void response.writeHead(200).write('{'));
  await using sink = await openSink(settingsFor(endpoint, { responseBytes: '64KiB', timeout: '2s' }));
  assert.equal((await writeEvents(sink, events(3))).delivered, 3);
  assert.equal(endpoint.requests.length, 3);
});

test('a server that speaks no HTTP, or none at all, is waited out', async () => {
  await using endpoint = await HttpEndpoint.start();
  endpoint.next.push(
    (response) => void response.socket?.end('SMTP ready\r\n\r\n'),
    (response) => void response.socket?.end(`HTTP/1.1 200 OK\r\nx: ${'y'.repeat(100_000)}\r\n\r\n`),
  );
  const logger = recordingLogger();
  await using sink = await openSink(settingsFor(endpoint), { logger });
  assert.equal((await writeEvents(sink, events(1))).delivered, 1);
  assert.deepEqual(
    logger.lines.map(({ fields }) => fields['code']),
    ['webhook.protocol', 'webhook.protocol'],
  );
});

test('a key that no header can hold is rejected where the body does not have it', async () => {
  await using endpoint = await HttpEndpoint.start();
  const long = { id: 'k'.repeat(5_000) };
  const written = [testEvent({ sequence: 1, ...long }), testEvent({ sequence: 2, op: 'delete', ...long })];
  await using sink = await openSink(settingsFor(endpoint));
  const { rejections, delivered } = await writeEvents(sink, written);
  assert.deepEqual([delivered, rejections.map(({ error }) => error.code)], [1, ['webhook.key-too-long']]);
  assert.equal(endpoint.taken[0]?.headers['sluice-key'], undefined);
});
