import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Format } from '../../core/format.ts';
import { contractFormat } from '../../testing/contracts/sink.ts';
import { testEvent } from '../../testing/events.ts';
import { HttpEndpoint } from '../../testing/servers/http-endpoint.ts';
import { writeEvents } from '../../testing/sink-writes.ts';
import { openSink, settingsFor } from './sink-fixture.ts';

interface Item {
  readonly id: string;
  readonly key: { readonly _id: number };
  readonly value: unknown;
}

const itemsIn = (body: Buffer) => (JSON.parse(body.toString()) as { events: Item[] }).events;
const keysIn = (endpoint: HttpEndpoint) => endpoint.requests.map(({ body }) => itemsIn(body).map(({ key }) => key._id));
const events = (count: number) => Array.from({ length: count }, (_, sequence) => testEvent({ sequence }));
const open = (endpoint: HttpEndpoint, more: Record<string, unknown> = {}) =>
  openSink(settingsFor(endpoint, { batch: { records: 100 }, ...more }), { format: contractFormat });
const answer = (results: unknown) => ({ status: 200, body: JSON.stringify({ results }) });

test('a batch carries the events with ids, keys and values, and a delete with null', async () => {
  await using endpoint = await HttpEndpoint.start();
  await using sink = await open(endpoint);
  const written = [testEvent({ sequence: 1 }), testEvent({ sequence: 2, op: 'delete' })];
  await writeEvents(sink, written);
  const [request] = endpoint.requests;
  const version = (n: number) => `1700000000,${n + 1},0`;
  assert.deepEqual(itemsIn(request?.body ?? Buffer.alloc(0)), [
    {
      id: `contract_${written[0]?.id}`,
      op: 'insert',
      ns: 'test.items',
      version: version(1),
      key: { _id: 1 },
      value: { n: written[0]?.position.token },
    },
    {
      id: `contract_${written[1]?.id}`,
      op: 'delete',
      ns: 'test.items',
      version: version(2),
      key: { _id: 2 },
      value: null,
    },
  ]);
  assert.equal(request?.headers['content-type'], 'application/json');
  assert.match(String(request?.headers['webhook-id']), /^batch_[\w-]+$/);
});

test('no request holds two events of one document, more records or more bytes than allowed', async () => {
  await using endpoint = await HttpEndpoint.start();
  await using sink = await open(endpoint, { batch: { records: 3, bytes: '1KiB' } });
  const ids = [1, 2, 1, 3, 4, 5, 6];
  await writeEvents(
    sink,
    ids.map((id, sequence) => testEvent({ sequence, id })),
  );
  assert.deepEqual(keysIn(endpoint), [
    [1, 2],
    [1, 3, 4],
    [5, 6],
  ]);
  await writeEvents(
    sink,
    Array.from({ length: 3 }, (_, n) => testEvent({ sequence: n, id: n + 10 })),
  );
  for (const { body } of endpoint.requests) assert.ok(body.length <= 1024);
});

test('each event ends as the answer says, and what is wanted again comes again', async () => {
  await using endpoint = await HttpEndpoint.start();
  const reason = { index: 1, status: 'reject', reason: 'unknown k3y' };
  endpoint.next.push(
    answer([{ index: 0, status: 'ok' }, reason, { index: 3, status: 'retry' }, { index: 4, status: 'retry' }]),
    answer([{ index: 1, status: 'retry' }]),
    503,
    { status: 200, body: 'thanks' },
  );
  await using sink = await open(endpoint, { secretHeaders: { 'x-key': 'k3y' } });
  const { rejections, ...result } = await writeEvents(sink, events(5));
  assert.deepEqual(result, { delivered: 4, filtered: 0 });
  assert.deepEqual(keysIn(endpoint), [[0, 1, 2, 3, 4], [3, 4], [4], [4]]);
  const [{ envelope, error } = assert.fail()] = rejections;
  assert.equal(envelope.event.position.token, events(2)[1]?.position.token);
  assert.match(error.message, /rejected the event: unknown \*\*\*$/);
  const ids = endpoint.requests.map(({ headers }) => headers['webhook-id']);
  assert.equal(ids[2], ids[3], 'the same events have the same id');
  assert.equal(new Set(ids).size, 3);
});

test('a login that the endpoint repeats is masked in every form', async () => {
  const [username, password] = ['sluice', 'pa55words'];
  const sent = Buffer.from(`${username}:${password}`).toString('base64');
  assert.ok(sent.endsWith('='));
  const shown = [password, sent, sent.replace(/=+$/, ''), `Basic ${sent}`];
  await using endpoint = await HttpEndpoint.start();
  const reason = `not ${shown.join(' nor ')}`;
  endpoint.next.push(answer([{ index: 0, status: 'reject', reason }]));
  await using sink = await open(endpoint, { auth: { method: 'basic', username, password } });
  const { rejections } = await writeEvents(sink, events(1));
  assert.match(rejections[0]?.error.message ?? '', /: not \*\*\* nor \*\*\* nor \*\*\* nor Basic \*\*\*$/);
  assert.equal(endpoint.requests[0]?.headers['authorization'], `Basic ${sent}`);
});

test('one event that the endpoint refuses is found in its batch', async () => {
  await using endpoint = await HttpEndpoint.start();
  endpoint.answering = ({ body }) => (itemsIn(body).some(({ key }) => key._id === 37) ? 400 : 200);
  await using sink = await open(endpoint, { attempts: 2 });
  const { rejections, delivered } = await writeEvents(sink, events(50));
  assert.deepEqual([delivered, rejections.length], [49, 1]);
  const taken = endpoint.taken.flatMap(({ body }) => itemsIn(body)).map(({ key }) => key._id);
  assert.deepEqual(
    taken,
    events(50)
      .map((_, n) => n)
      .filter((n) => n !== 37),
  );
});

test('a batch that is too large for the endpoint is halved', async () => {
  await using endpoint = await HttpEndpoint.start();
  endpoint.answering = ({ body }) => (itemsIn(body).length > 3 ? 413 : 200);
  await using sink = await open(endpoint);
  assert.equal((await writeEvents(sink, events(10))).delivered, 10);
  assert.deepEqual(
    endpoint.taken.flatMap(({ body }) => itemsIn(body)).map(({ key }) => key._id),
    events(10).map((_, n) => n),
  );
});

test('results that mean nothing stop the pipeline, unless they are not to be read', async () => {
  await using endpoint = await HttpEndpoint.start();
  endpoint.answering = () => answer([{ id: 5 }]);
  {
    await using sink = await open(endpoint);
    await assert.rejects(writeEvents(sink, events(2)), { kind: 'config', code: 'webhook.results' });
  }
  await using sink = await open(endpoint, { batch: { results: false } });
  assert.equal((await writeEvents(sink, events(2))).delivered, 2);
});

test('an answer to a batch that is cut off is asked for again; one that is too large stops the pipeline', async () => {
  await using endpoint = await HttpEndpoint.start();
  endpoint.next.push((response) => {
    response.writeHead(200, { 'content-length': '1000' });
    response.write('{"results":', () => response.destroy());
  });
  await using sink = await open(endpoint, { responseBytes: '1KiB' });
  assert.equal((await writeEvents(sink, events(2))).delivered, 2);
  assert.equal(endpoint.requests.length, 2);
  endpoint.next.push({ status: 200, body: ' '.repeat(2_000) });
  await assert.rejects(writeEvents(sink, events(2)), { code: 'webhook.response-too-large' });
});

test('only JSON goes into a batch', async () => {
  await using endpoint = await HttpEndpoint.start();
  const format: Format = { ...contractFormat, contentType: 'application/bson' };
  await assert.rejects(openSink(settingsFor(endpoint, { batch: {} }), { format }), { code: 'webhook.batch-format' });
});
