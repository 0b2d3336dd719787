import assert from 'node:assert/strict';
import { getEventListeners } from 'node:events';
import { test } from 'node:test';
import { inspect } from 'node:util';
import { gunzipSync } from 'node:zlib';
import { SluiceError } from '../../core/failure.ts';
import { HttpEndpoint } from '../../testing/servers/http-endpoint.ts';
import { waitFor } from '../../testing/wait-for.ts';
import { answersAsCluster, aRequest, errorAnswer, jsonAnswer, openClient } from './client-fixture.ts';

async function failureOf(promise: Promise<unknown>): Promise<SluiceError> {
  try {
    await promise;
  } catch (error) {
    assert.ok(error instanceof SluiceError, inspect(error));
    return error;
  }
  return assert.fail('it did not fail');
}

/** An endpoint that answers like a cluster. */
async function clusterNode(): Promise<HttpEndpoint> {
  const endpoint = await HttpEndpoint.start();
  answersAsCluster(endpoint);
  return endpoint;
}

/** URLs where nothing listens: a free port of the usual range could be taken by another test. */
const DEAD_NODE = 'http://127.0.0.1:1';
const OTHER_DEAD_NODE = 'http://127.0.0.1:2';

/** How long a node is left out after its first failure. */
const PAUSE_MS = 1_000;

test('success and refusals of one request are for the caller, with their body', async () => {
  await using node = await clusterNode();
  await using client = await openClient([node]);
  assert.equal(client.product.name, 'opensearch');
  for (const status of [200, 201, 400, 404, 409, 413, 429]) {
    node.next.push(jsonAnswer({ status }, status, status === 429 ? { 'retry-after': '3' } : {}));
    const { value, ...rest } = await client.json<{ status: number }>(aRequest());
    assert.deepEqual({ value, ...rest }, { status, value: { status } });
  }
  node.next.push(jsonAnswer({}, 429, { 'retry-after': '3' }), jsonAnswer({}, 429, { 'retry-after': '86400' }));
  assert.equal((await client.request(aRequest())).retryAfterMs, 3_000);
  assert.equal((await client.request(aRequest())).retryAfterMs, 60_000, 'nobody is left alone for a day');
});

test('requests have media types that every version of both products takes', async () => {
  await using node = await clusterNode();
  await using client = await openClient([`${node.origin}/search/`]);
  const lines = [Buffer.from('{"index":{}}\n'), Buffer.from('{"a":1}\n')];
  await client.request(
    aRequest({ method: 'POST', path: '/_bulk?x=1', body: lines, contentType: 'application/x-ndjson' }),
  );
  await client.request(aRequest({ method: 'PUT', body: '{"ä":1}' }));
  await client.request(aRequest({ method: 'HEAD' }));
  const [, bulk, put, head] = node.requests;
  assert.equal(bulk?.path, '/search/_bulk?x=1', 'the path of the node goes before');
  assert.equal(bulk?.body.toString(), '{"index":{}}\n{"a":1}\n');
  assert.equal(bulk?.headers['content-type'], 'application/x-ndjson');
  assert.equal(put?.headers['content-type'], 'application/json');
  assert.equal(put?.headers['content-length'], '8');
  assert.equal(put?.headers['content-encoding'], undefined);
  for (const { headers } of node.requests) assert.equal(headers.accept, 'application/json');
  assert.deepEqual([head?.method, head?.headers['content-type']], ['HEAD', undefined]);
});

test('with gzip larger bodies are packed', async () => {
  await using node = await clusterNode();
  await using client = await openClient([node], { compression: 'gzip' });
  const body = JSON.stringify({ text: 'sluice '.repeat(1000) });
  await client.request(aRequest({ method: 'PUT', body }));
  await client.request(aRequest({ method: 'PUT', body: '{}' }));
  const [, large, small] = node.requests;
  assert.equal(large?.headers['content-encoding'], 'gzip');
  assert.equal(gunzipSync(large?.body ?? '').toString(), body);
  assert.equal(small?.headers['content-encoding'], undefined);
});

test('nodes are used in turn, and one that fails is left out for a while', async () => {
  await using first = await clusterNode();
  await using second = await clusterNode();
  await using client = await openClient([first, second]);
  for (let at = 0; at < 9; at += 1) await client.request(aRequest());
  assert.deepEqual([first.requests.length, second.requests.length], [5, 5]);
  first.answering = () => 'reset';
  const startedMs = performance.now();
  for (let at = 0; at < 6; at += 1) assert.equal((await client.request(aRequest())).status, 200);
  const tries = first.requests.length - 5;
  const pauses = Math.floor((performance.now() - startedMs) / PAUSE_MS);
  assert.ok(tries >= 1 && tries <= 1 + pauses, `${tries} tries, ${pauses} pauses`);
  assert.equal(second.requests.length, 11);
});

test('a node that is not available is not the last word of the cluster', async () => {
  for (const answer of [502, 503, 504, 'reset'] as const) {
    await using bad = await clusterNode();
    await using good = await clusterNode();
    await using client = await openClient([bad, good]);
    bad.answering = () => answer;
    for (let at = 0; at < 3; at += 1) assert.equal((await client.request(aRequest())).status, 200, String(answer));
  }
  await using good = await clusterNode();
  await using client = await openClient([DEAD_NODE, good, OTHER_DEAD_NODE]);
  assert.equal((await client.request(aRequest())).status, 200);
});

test('when no node answers the error says which one and why, and a node that is back is used at once', async () => {
  const error = await failureOf(openClient([DEAD_NODE]));
  assert.deepEqual([error.kind, error.code], ['transient', 'search.unreachable']);
  assert.ok(error.message.includes(DEAD_NODE) && error.message.includes('ECONNREFUSED'), error.message);

  await using node = await clusterNode();
  await using client = await openClient([node, DEAD_NODE]);
  node.next.push(503);
  const busy = await failureOf(client.request(aRequest()));
  assert.equal(busy.kind, 'transient');
  assert.equal((await client.request(aRequest())).status, 200);
});

test('statuses that are nobody’s answer are classified errors', async () => {
  await using node = await clusterNode();
  await using client = await openClient([node]);
  const cases = [
    [errorAnswer(401, 'security_exception'), 'config', 'search.authentication'],
    [errorAnswer(403, 'security_exception'), 'config', 'search.authorization'],
    [errorAnswer(403, 'cluster_block_exception'), 'transient', 'search.blocked'],
    [errorAnswer(429, 'cluster_block_exception'), 'transient', 'search.blocked'],
    [errorAnswer(500, 'exception'), 'transient', 'search.server-error'],
    [errorAnswer(406, 'media_type_header_exception'), 'config', 'search.refused'],
  ] as const;
  for (const [answer, kind, code] of cases) {
    node.next.push(answer);
    const error = await failureOf(client.request(aRequest()));
    assert.deepEqual([error.kind, error.code], [kind, code]);
  }
  node.next.push({ status: 302, headers: { location: `${node.origin}/elsewhere` } });
  assert.equal((await failureOf(client.request(aRequest()))).code, 'search.redirect');
  assert.ok(node.requests.every(({ path }) => path !== '/elsewhere'));
});

test('a page of a proxy is not taken for the word of the cluster', async () => {
  await using node = await clusterNode();
  await using client = await openClient([node]);
  const page = (status: number) => ({ status, headers: { 'content-type': 'text/html' }, body: '<html>canary</html>' });
  for (const status of [200, 404, 400]) {
    node.next.push(page(status));
    const error = await failureOf(client.request(aRequest()));
    assert.deepEqual([error.kind, error.code], ['transient', 'search.not-json'], String(status));
    assert.doesNotMatch(inspect(error), /canary/);
  }
  node.next.push(page(413));
  assert.equal((await client.request(aRequest())).status, 413, 'which a proxy may say for the cluster');
  node.next.push({ status: 200, headers: { 'content-type': 'application/json' }, body: '{"half":' });
  assert.equal((await failureOf(client.json(aRequest()))).code, 'search.not-json');
});

test('the time of a request covers the answer, and the next request goes elsewhere', async () => {
  await using slow = await clusterNode();
  await using good = await clusterNode();
  await using client = await openClient([slow, good]);
  slow.answering = () => 'hang';
  let overAtMs: number | undefined;
  for (let at = 0; at < 4; at += 1) {
    const isLeftOut = overAtMs !== undefined && performance.now() - overAtMs < PAUSE_MS / 2;
    const outcome = await client.request(aRequest({ timeoutMs: 2_000 })).then(
      () => 'ok',
      (error: SluiceError) => error.code,
    );
    if (isLeftOut || outcome !== 'search.timeout') assert.equal(outcome, 'ok');
    else overAtMs = performance.now();
  }
  assert.ok(overAtMs !== undefined, 'the slow one had its turn');

  await using endless = await clusterNode();
  await using other = await openClient([endless]);
  endless.answering = () => (response) =>
    void response.writeHead(200, { 'content-type': 'application/json' }).write('{');
  const error = await failureOf(other.request(aRequest({ timeoutMs: 100 })));
  assert.equal(error.code, 'search.timeout');
  assert.match(error.message, /^cannot read orders: .* within 0\.1 s/);
});

test('an abort comes through unchanged, and requests leave nothing at the signal', async () => {
  await using node = await clusterNode();
  const controller = new AbortController();
  await using client = await openClient([node], {}, controller.signal);
  const { signal } = controller;
  for (let at = 0; at < 3; at += 1) await client.request(aRequest({ signal }));
  assert.equal(getEventListeners(signal, 'abort').length, 0);
  node.answering = () => 'hang';
  const waiting = client.request(aRequest({ signal }));
  await waitFor(() => node.requests.length === 5, { timeoutMs: 30_000, message: 'the request has arrived' });
  const reason = new Error('enough');
  controller.abort(reason);
  await assert.rejects(waiting, (error) => error === reason);
  await assert.rejects(client.request(aRequest({ signal })), (error) => error === reason);
});

test('an answer without end is not read to its end', async () => {
  await using node = await clusterNode();
  await using client = await openClient([node]);
  const chunk = Buffer.alloc(1024 * 1024, ' ');
  node.answering = () => (response) => {
    response.on('error', () => {}).writeHead(200, { 'content-type': 'application/json' });
    const more = () => {
      while (!response.destroyed && response.write(chunk));
    };
    response.on('drain', more);
    more();
  };
  const error = await failureOf(client.request(aRequest()));
  assert.equal(error.code, 'search.response-too-large');
  await waitFor(() => node.open === 0, { timeoutMs: 30_000, message: 'the connection is closed' });
});

test('a server that does not say what it is, is used all the same', async () => {
  for (const root of [
    errorAnswer(403, 'security_exception'),
    errorAnswer(404, 'not_found'),
    jsonAnswer({ status: 'ok' }),
  ]) {
    await using node = await HttpEndpoint.start();
    answersAsCluster(node, root);
    await using client = await openClient([node]);
    assert.equal(client.product.name, 'unknown');
    assert.equal((await client.request(aRequest())).status, 200);
  }
});

test('a wrong login and an old version are told when the client is opened', async () => {
  await using node = await HttpEndpoint.start();
  answersAsCluster(node, errorAnswer(401, 'security_exception'));
  assert.equal((await failureOf(openClient([node]))).code, 'search.authentication');
  answersAsCluster(node, jsonAnswer({ version: { number: '6.8.23' } }));
  const old = await failureOf(openClient([node]));
  assert.deepEqual([old.kind, old.code], ['config', 'search.version']);
  assert.match(old.message, /Elasticsearch 6\.8\.23 is too old/);
});

test('logins go with every request, and show nowhere else', async () => {
  await using node = await clusterNode();
  const logins = [
    [{ basic: { username: 'ann', password: 'canary-1:x' } }, 'Basic YW5uOmNhbmFyeS0xOng='],
    [{ apiKey: 'canary-2==' }, 'ApiKey canary-2=='],
    [{ apiKey: { id: 'k1', key: 'canary-3' } }, 'ApiKey azE6Y2FuYXJ5LTM='],
  ] as const;
  for (const [auth, expected] of logins) {
    node.requests.length = 0;
    await using client = await openClient([node], { auth });
    node.next.push(errorAnswer(403, 'security_exception', 'for canary'), 'reset', 500);
    const shown = [inspect(client, { depth: null, showHidden: true })];
    for (let at = 0; at < 3; at += 1) {
      const error = await failureOf(client.request(aRequest()));
      shown.push(inspect(error, { depth: null, showHidden: true }), error.hint ?? '');
    }
    assert.equal(node.requests.length, 4);
    for (const { headers } of node.requests) assert.equal(headers.authorization, expected);
    assert.doesNotMatch(shown.join('\n'), /canary|YW5uO|azE6/);
  }
});

test('requests are signed for Amazon with keys of the environment, and nothing is asked of Serverless', async () => {
  await using node = await clusterNode();
  const aws = { region: 'eu-central-1', service: 'aoss', accessKeyId: 'AKID', secretAccessKey: 'canary' };
  await using client = await openClient([node], { auth: { aws } });
  assert.deepEqual([client.product.name, client.product.serverless], ['opensearch', true]);
  assert.equal(node.requests.length, 0);
  await client.request(aRequest({ method: 'POST', path: '/_bulk?filter_path=errors,items', body: '{}\n' }));
  const [{ headers, path } = assert.fail('no request')] = node.requests;
  assert.match(headers.authorization ?? '', /^AWS4-HMAC-SHA256 Credential=AKID\//);
  assert.match(String(headers['x-amz-content-sha256']), /^[0-9a-f]{64}$/);
  assert.equal(headers.host, new URL(node.origin).host);
  assert.equal(path, '/_bulk?filter_path=errors%2Citems');
});

test('files of certificates that cannot be used are errors of the configuration', async () => {
  const tls = { ca: '/nowhere/ca.pem' };
  assert.equal((await failureOf(openClient(['https://127.0.0.1:1'], { tls }))).code, 'search.file');
  const broken = { cert: import.meta.filename, key: import.meta.filename };
  const error = await failureOf(openClient(['https://127.0.0.1:1'], { tls: broken }));
  assert.deepEqual([error.kind, error.code], ['config', 'search.certificate']);
});
