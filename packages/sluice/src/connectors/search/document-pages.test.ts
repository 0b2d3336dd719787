import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SluiceError } from '../../core/failure.ts';
import { clientAnswering, type Scripted } from './bulk-fixture.ts';
import { pagesOf, wholeDocuments } from './document-pages.ts';

const signal = new AbortController().signal;
const OK = { status: 200, body: '{}' };
const hits = (...ids: string[]) => ids.map((_id) => ({ _id, _version: 5 }));
const page = (ids: string[], more: object = {}) => ({
  status: 200,
  body: JSON.stringify({ _scroll_id: 's', _shards: { failed: 0 }, hits: { hits: hits(...ids) }, ...more }),
});

async function idsOf(answers: readonly Scripted[]) {
  const client = clientAnswering(answers);
  const ids: string[] = [];
  let code = '';
  try {
    for await (const found of pagesOf(client, { index: 'items' }, { signal })) ids.push(...found.map(({ id }) => id));
  } catch (error) {
    const failure = error as { kind: string; code: string };
    code = `${failure.kind} ${failure.code}`;
  }
  return { ids, code, sent: client.sent.map(({ method, path }) => `${method} ${path.split('?')[0]}`) };
}

test('an index is refreshed, then searched page by page until there is nothing more', async () => {
  const { ids, sent } = await idsOf([OK, page(['a', 'b']), page(['c']), page([]), OK]);
  assert.deepEqual(ids, ['a', 'b', 'c']);
  assert.deepEqual(sent, [
    'POST /items/_refresh',
    'POST /items/_search',
    'POST /_search/scroll',
    'POST /_search/scroll',
    'DELETE /_search/scroll',
  ]);
});

test('an index that does not exist has no documents', async () => {
  assert.deepEqual(await idsOf([{ status: 404, body: '{}' }]), { ids: [], code: '', sent: ['POST /items/_refresh'] });
});

test('what not every shard answers for is not taken for the whole', async () => {
  const failed = { _shards: { failed: 1 } };
  const cases: readonly (readonly Scripted[])[] = [
    [{ status: 200, body: JSON.stringify(failed) }],
    [OK, page(['a'], failed)],
    [OK, page(['a']), page(['b'], failed)],
    [OK, page(['a']), { status: 404, body: '{}' }],
    [OK, { status: 429, body: '' }],
  ];
  for (const answers of cases) assert.equal((await idsOf([...answers, OK])).code, 'transient search.incomplete');
  assert.equal((await idsOf([OK, { status: 400, body: '{}' }])).code, 'config search.search-refused');
});

test('the search is ended on the server when the reader stops', async () => {
  const client = clientAnswering([OK, page(['a']), OK]);
  for await (const _ of pagesOf(client, { index: 'items' }, { signal })) break;
  assert.equal(client.sent.at(-1)?.method, 'DELETE');
});

test('documents keep every digit, and are asked for in parts by their size', async () => {
  const answerFor = (ids: readonly string[], text: string) => ({
    status: 200,
    body: `{"docs":[${ids.map((id) => `{"_id":"${id}","found":true,"_version":4611686018427387905,"_source":{"n":9007199254740993,"_version":1.50,"t":"${text}"}}`).join()}]}`,
  });
  const ids = Array.from({ length: 24 }, (_, index) => `d${index}`);
  const large = 'x'.repeat(1024 * 1024);
  const answers = [answerFor(ids.slice(0, 16), large), ...Array.from({ length: 8 }, () => answerFor(['d'], ''))];
  const client = clientAnswering(answers);
  const wanted = ids.map((id) => ({ id, version: 1n, routing: undefined }));
  const found = [];
  for await (const part of wholeDocuments(client, 'items', wanted, { signal })) found.push(...part);
  assert.equal(found[0]?.version, 4611686018427387905n);
  assert.equal(found[16]?.source, '{"n":9007199254740993,"_version":1.50,"t":""}');
  const asked = client.sent.map(({ body }) => (JSON.parse(String(body)) as { docs: unknown[] }).docs.length);
  assert.deepEqual(asked.slice(0, 2), [16, 3]);
});

test('a document whose shard did not answer is not taken for one that is gone', async () => {
  const docs = [
    { _id: 'a', _version: 1, found: true, _source: {} },
    { _id: 'b', error: { type: 'no_shard_available_action_exception' } },
  ];
  const client = clientAnswering([{ status: 200, body: JSON.stringify({ docs }) }]);
  const wanted = ['a', 'b'].map((id) => ({ id, version: 1n, routing: undefined }));
  const reading = wholeDocuments(client, 'items', wanted, { signal });
  await assert.rejects(reading.next(), { kind: 'transient', code: 'search.incomplete' });
  assert.match(client.sent[0]?.path ?? '', /docs\.error\.type/);
});

test('an answer that is too large is asked for in smaller parts, down to one document', async () => {
  const tooLarge = new SluiceError('too large', { kind: 'config', code: 'search.response-too-large' });
  const large = 'd13';
  const asked: number[] = [];
  const answering = (most: number) => ({
    ...clientAnswering([]),
    request: async ({ body }: { readonly body?: unknown }) => {
      const { docs } = JSON.parse(String(body)) as { docs: { _id: string }[] };
      asked.push(docs.length);
      if (docs.length > most && docs.some(({ _id }) => _id === large)) throw tooLarge;
      const found = docs.map(({ _id }) => ({ _id, _version: 1, found: true, _source: {} }));
      return { status: 200, body: Buffer.from(JSON.stringify({ docs: found })) };
    },
  });
  const wanted = Array.from({ length: 20 }, (_, index) => ({ id: `d${index}`, version: 1n, routing: undefined }));
  const ids: string[] = [];
  for await (const part of wholeDocuments(answering(1), 'items', wanted, { signal }))
    ids.push(...part.map(({ id }) => id));
  assert.deepEqual(
    ids,
    wanted.map(({ id }) => id),
  );
  assert.deepEqual(asked.slice(0, 2), [16, 8]);
  const never = wholeDocuments(answering(0), 'items', wanted.slice(13, 14), { signal });
  await assert.rejects(never.next(), (error) => error === tooLarge);
});

test('a closed index is called so', async () => {
  const closed = { status: 400, body: JSON.stringify({ error: { type: 'index_closed_exception' }, status: 400 }) };
  assert.equal((await idsOf([closed])).code, 'config search.index-closed');
});
