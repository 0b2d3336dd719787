import assert from 'node:assert/strict';
import type { ServerResponse } from 'node:http';
import { test } from 'node:test';
import { BSON } from 'bson';
import { document, int32 } from '../../bson/test-support/bson-bytes.ts';
import type { ChangeEvent } from '../../core/change-event.ts';
import type { Sink } from '../../core/sink.ts';
import { versionNumber } from '../../core/version-number.ts';
import { testRandom } from '../../testing/random.ts';
import { HttpEndpoint, type SeenRequest } from '../../testing/servers/http-endpoint.ts';
import { type EventInit, SearchFixture, writeAll } from './sink-fixture.ts';

const T = 1_750_000_000;
const at = (i: number, ordinal = 0): Pick<EventInit, 'time' | 'ordinal'> => ({ time: { t: T, i }, ordinal });
const dup = (): Buffer => document(['_id', int32(1)], ['a', int32(1)], ['a', int32(2)]);

test('documents are in the index as they are at the source, with the version of their event', async () => {
  await using fixture = await SearchFixture.open();
  await using sink = await fixture.sink();
  const id = new BSON.ObjectId('0123456789abcdef01234567');
  const events = [
    fixture.event({
      id,
      document: { n: 1, name: 'é"\n', when: new Date(0), sub: { _id: 5, list: ['x', null] } },
      ...at(1),
    }),
    fixture.event({ id: 'gone', ...at(2) }),
    fixture.event({ id: 'gone', op: 'delete', ...at(3) }),
    fixture.event({ id: 'never', op: 'delete', ...at(4) }),
  ];
  const { delivered, rejected } = await writeAll(sink, events);
  assert.deepEqual([delivered, rejected], [4, []]);
  const found = await fixture.found();
  assert.deepEqual([...found.keys()], [id.toHexString()]);
  const stored = found.get(id.toHexString());
  assert.deepEqual(stored?.source, {
    n: 1,
    name: 'é"\n',
    when: '1970-01-01T00:00:00.000Z',
    sub: { _id: 5, list: ['x', null] },
  });
  assert.equal(stored?.version, versionNumber({ clusterTime: { t: T, i: 1 }, ordinal: 0 }).value);
});

test('an id of every type is a document of its own, and only equal ids are one', async () => {
  await using fixture = await SearchFixture.open();
  await using sink = await fixture.sink();
  const long = 'x'.repeat(600);
  const ids: readonly unknown[] = [
    1,
    '1',
    'a',
    '',
    ' ',
    '~1',
    'a/b?c#d%20,*"\\\n\u0000é😀',
    long,
    `${long}y`,
    0.1,
    1e300,
    BSON.Long.fromString('9007199254740993'),
    BSON.Decimal128.fromString('1.5'),
    Number.NaN,
    true,
    null,
    new Date(5),
    new BSON.ObjectId('0123456789abcdef01234567'),
    '0123456789abcdef01234567',
    new BSON.UUID('00112233-4455-6677-8899-aabbccddeeff'),
    new BSON.Binary(Buffer.from([1, 2])),
    new BSON.Timestamp({ t: 1, i: 2 }),
    new BSON.MinKey(),
    new BSON.MaxKey(),
    { a: 1, b: 'x' },
    { b: 'x', a: 1 },
  ];
  const same: readonly unknown[] = [new BSON.Double(1), BSON.Long.fromNumber(1), BSON.Decimal128.fromString('1.0')];
  const events = [...ids, ...same].map((id, sequence) => fixture.event({ id, sequence }));
  const { delivered, rejected } = await writeAll(sink, events);
  assert.deepEqual([delivered, rejected], [events.length, []]);
  const found = await fixture.found();
  assert.equal(found.size, ids.length);
  assert.deepEqual(found.get('~1')?.source, { n: events.length - 1 });
  const ends = events.map((_, index) =>
    fixture.event({ id: [...ids, ...same][index], op: 'delete', sequence: 100 + index }),
  );
  await writeAll(sink, ends);
  assert.equal((await fixture.found()).size, 0);
});

test('nothing old overwrites anything new, and a transaction orders by its ordinal', async () => {
  await using fixture = await SearchFixture.open();
  await using sink = await fixture.sink();
  const write = async (
    version: Pick<EventInit, 'time' | 'ordinal'>,
    value: string,
    op: 'insert' | 'delete' = 'insert',
  ) => {
    const { delivered } = await writeAll(sink, [fixture.event({ id: 'a', op, document: { value }, ...version })]);
    assert.equal(delivered, 1);
    return (await fixture.found()).get('a')?.source['value'];
  };
  assert.equal(await write(at(5, 1), 'second'), 'second');
  assert.equal(await write(at(5, 0), 'first'), 'second');
  assert.equal(await write(at(5, 2), 'third'), 'third');
  assert.equal(await write(at(5, 2), 'third again'), 'third');
  assert.equal(await write(at(5, 5000), 'beyond what the number holds'), 'beyond what the number holds');
  assert.equal(await write(at(5, 5001), 'and the next'), 'and the next');
  assert.equal(await write(at(5, 100), 'an old one'), 'and the next');
  assert.equal(await write(at(6), 'gone', 'delete'), undefined);
  assert.equal(await write(at(5, 9), 'a zombie'), undefined);
  assert.equal(await write(at(7), 'back'), 'back');
});

test('each document is delivered or rejected with a reason, whatever the index has against others', async () => {
  await using fixture = await SearchFixture.open();
  const properties = { n: { type: 'long' }, k: { type: 'keyword' } };
  await using sink = await fixture.sink({ mapping: { properties, fieldLimit: 60 }, createIndexes: true });
  await fixture.call('PUT', `/${fixture.index()}`, {
    settings: { 'index.mapping.total_fields.limit': 60, number_of_replicas: 0 },
    mappings: { properties },
  });
  const deep = Array.from({ length: 25 }).reduce((inner: object) => ({ d: inner }), {});
  const many = Object.fromEntries(Array.from({ length: 100 }, (_, index) => [`field${index}`, 1]));
  const documents: readonly (readonly [object | Buffer, string])[] = [
    [{ n: 1 }, ''],
    [{ n: 'no number' }, 'mapper_parsing_exception'],
    [{ n: { x: 1 } }, 'mapper_parsing_exception'],
    [{ n: BSON.Decimal128.fromString('99999999999999999999') }, 'mapper_parsing_exception'],
    [{ '': 1 }, 'field name cannot be an empty string'],
    [{ 'a..b': 1 }, 'ambiguous'],
    [{ sub: { _id: 1 } }, ''],
    [{ _source: 1 }, 'metadata field'],
    [dup(), 'Duplicate field'],
    [{ deep }, 'depth'],
    [many, 'Limit of total fields'],
    [{ k: 'x'.repeat(40_000) }, 'immense term'],
    [{ text: 'a\u0000b' }, ''],
    [{ mixed: 1 }, ''],
    [{ mixed: { x: 1 } }, 'mapper_parsing_exception'],
    [{ n: Number.NaN }, 'mapper_parsing_exception'],
    [{ n: 2 }, ''],
  ];
  const events: ChangeEvent[] = documents.map(([content], sequence) =>
    Buffer.isBuffer(content)
      ? fixture.event({ id: `d${sequence}`, sequence, after: content })
      : fixture.event({ id: `d${sequence}`, sequence, after: Buffer.from(BSON.serialize(content)) }),
  );
  const { delivered, rejections } = await writeAll(sink, events);
  const reasons = new Map(rejections.map(({ envelope, error }) => [envelope.event.position.token, error]));
  for (const [index, event] of events.entries()) {
    const expected = documents[index]?.[1] ?? '';
    const error = reasons.get(event.position.token);
    assert.equal(error !== undefined, expected !== '', `document ${index}: ${error?.message}`);
    if (error === undefined) continue;
    assert.equal(`${error.kind} ${error.code}`, 'rejected search.document-refused');
    assert.ok(error.message.includes(expected) && error.message.includes(fixture.index()), error.message);
    assert.doesNotMatch(error.message, /no number|xxxx/);
  }
  const good = documents.flatMap(([, reason], index) => (reason === '' ? [`d${index}`] : []));
  assert.deepEqual([delivered, await fixture.ids()], [good.length, good.sort()]);
});

test('when the last state of a document is refused, the one before it is in the index', async () => {
  await using fixture = await SearchFixture.open();
  await using sink = await fixture.sink({ mapping: { malformed: 'dead-letter', properties: { n: { type: 'long' } } } });
  await writeAll(sink, [fixture.event({ id: 'x', document: { n: 1 }, ...at(1) })]);
  const events = ['2', '3', 'bad', '4', 'worse'].map((n, index) =>
    fixture.event({ sequence: index, id: 'a', document: { n }, ...at(index + 2) }),
  );
  const { delivered, rejected } = await writeAll(sink, events);
  assert.deepEqual([delivered, rejected], [3, ['search.document-refused 2', 'search.document-refused 4']]);
  assert.deepEqual((await fixture.found()).get('a')?.source, { n: '4' });
});

test('routing comes from the document and finds it again when it is deleted', async () => {
  await using fixture = await SearchFixture.open();
  await using sink = await fixture.sink({ routing: 'shop.city' });
  const before = Buffer.from(BSON.serialize({ _id: 'a', shop: { city: 'Ulm' } }));
  const created = fixture.event({ id: 'a', document: { shop: { city: 'Ulm' } }, ...at(1) });
  const without = fixture.event({ sequence: 7, id: 'b', ...at(2) });
  assert.deepEqual((await writeAll(sink, [created, without])).rejected, ['search.no-routing 7']);
  const hit = (await fixture.call('GET', `/${fixture.index()}/_doc/a?routing=Ulm`)) as { _routing?: string };
  assert.equal(hit._routing, 'Ulm');
  const end = { ...fixture.event({ id: 'a', op: 'delete', ...at(3) }), before: () => before };
  assert.deepEqual((await writeAll(sink, [end])).rejected, []);
  assert.deepEqual(await fixture.ids(), []);
});

test('documents of two collections never share an index', async () => {
  await using fixture = await SearchFixture.open();
  await using sink = await fixture.sink({ index: `${fixture.db}.all` });
  await writeAll(sink, [fixture.event({ id: 1, ...at(1) })]);
  const { promise, resolve } = Promise.withResolvers<unknown>();
  writeAll(sink, [fixture.event({ id: 1, coll: 'other', ...at(2) })]).catch(resolve);
  assert.equal(((await promise) as { code: string }).code, 'search.shared-index');
});

test('documents go through the ingest pipeline, one that does not exist stops the sink', async () => {
  await using fixture = await SearchFixture.open();
  await fixture.call('PUT', `/_ingest/pipeline/${fixture.db}`, {
    processors: [{ set: { field: 'added', value: 'by the pipeline' } }],
  });
  {
    await using sink = await fixture.sink({ pipeline: fixture.db });
    await writeAll(sink, [fixture.event({ id: 'a', ...at(1) }), fixture.event({ id: 'b', op: 'delete', ...at(2) })]);
    assert.equal((await fixture.found()).get('a')?.source['added'], 'by the pipeline');
  }
  await fixture.call('DELETE', `/_ingest/pipeline/${fixture.db}`);
  await using sink = await fixture.sink({ pipeline: fixture.db });
  await assert.rejects(writeAll(sink, [fixture.event({ id: 'c', ...at(3) })]), {
    code: 'search.no-pipeline',
    kind: 'config',
  });
});

test('whatever comes in whatever order and however often, the newest state of each document is there', async (t) => {
  await using fixture = await SearchFixture.open();
  const random = testRandom(t);
  const keys = 25;
  const events = Array.from({ length: 500 }, (_, index) => {
    // Some share one cluster time, as in a transaction.
    const version = at(1 + Math.floor(index / 4), index % 4);
    const op = random.chance(0.25) ? 'delete' : 'update';
    const id = `d${random.int(keys)}`;
    return { id, op, event: fixture.event({ id, op, document: { v: `state ${index}` }, ...version }) } as const;
  });
  const expected = new Map<string, string>();
  for (const [index, { id, op }] of events.entries()) {
    if (op === 'delete') expected.delete(id);
    else expected.set(id, `state ${index}`);
  }
  await using first = await fixture.sink({ batchBytes: '2KiB' });
  await using second = await fixture.sink();
  const shuffled = () => events.map(({ event }) => ({ event, key: random.next() })).sort((a, b) => a.key - b.key);
  const writeShuffled = async (sink: Sink) => {
    const all = shuffled();
    for (let start = 0; start < all.length; start += 50) {
      const { rejected } = await writeAll(
        sink,
        all.slice(start, start + 50).map(({ event }) => event),
      );
      assert.deepEqual(rejected, []);
    }
  };
  // As two processes that both believe to be the owner.
  await Promise.all([writeShuffled(first), writeShuffled(second)]);
  const found = [...(await fixture.found())].map(([id, { source }]) => [id, source['v']]);
  assert.deepEqual(Object.fromEntries(found), Object.fromEntries(expected));
});

test('a cluster that is too busy for a request gets the same one again', async () => {
  await using fixture = await SearchFixture.open();
  await using proxy = await HttpEndpoint.start();
  let refusals = 0;
  proxy.answering = ({ method, path, headers, body }) => {
    if (path.includes('_bulk') && refusals < 2) {
      refusals += 1;
      return { status: 429, headers: { 'retry-after': '0' } };
    }
    return (response) => void forward(`${fixture.url}${path}`, { method, headers, body }, response);
  };
  await using sink = await fixture.sink({ nodes: [proxy.origin] });
  const events = ['a', 'b', 'c'].map((id, index) => fixture.event({ id, ...at(index + 1) }));
  assert.equal((await writeAll(sink, events)).delivered, 3);
  const bodies = proxy.requests.filter(({ path }) => path.includes('_bulk')).map(({ body }) => body.toString());
  assert.deepEqual([bodies.length, new Set(bodies).size], [3, 1]);
  assert.deepEqual(await fixture.ids(), ['a', 'b', 'c']);
});

async function forward(
  url: string,
  { method, headers, body }: Pick<SeenRequest, 'method' | 'headers' | 'body'>,
  response: ServerResponse,
): Promise<void> {
  const type = { 'content-type': headers['content-type'] ?? 'application/json' };
  const content = body.length === 0 ? {} : { body: new Uint8Array(body) };
  const answer = await fetch(url, { method, headers: type, ...content });
  const text = Buffer.from(await answer.arrayBuffer());
  response.writeHead(answer.status, { 'content-type': 'application/json' }).end(text);
}
