import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BSON } from 'bson';
import { SluiceError } from '../../core/failure.ts';
import { silentLogger } from '../../core/logger.ts';
import { type Answering, clientAnswering, FakeClient, itemsOf, writerOver } from './bulk-fixture.ts';
import type { BulkWriterParts } from './bulk-writer.ts';

const OK = { status: 200 };
const BUSY = { status: 429, error: { type: 'es_rejected_execution_exception' } };
const REFUSED = { status: 400, error: { type: 'mapper_parsing_exception' } };
const MISSING = { status: 404, error: { type: 'index_not_found_exception' } };
const CONTROL = '~sluice';
const EMPTY = BSON.serialize({});
const ids = (count: number) => Array.from({ length: count }, (_, index) => `d${index}`);

async function write(names: readonly string[], answering: Answering, more: Partial<BulkWriterParts> = {}) {
  const client = new FakeClient(answering);
  const signal = new AbortController().signal;
  try {
    const refusals = await writerOver(client, more).write(itemsOf(names), { signal });
    return { requests: client.requests, refused: refusals.map(({ item }) => item.id), error: undefined };
  } catch (error) {
    assert.ok(error instanceof SluiceError);
    return { requests: client.requests, refused: [], error: `${error.kind} ${error.code}` };
  }
}

test('the items of an answer without errors are not looked at', async () => {
  const { requests, refused } = await write(ids(3), () => 200);
  assert.deepEqual([requests, refused], [[['d0', 'd1', 'd2']], []]);
});

test('only the items that the cluster is too busy for are sent again', async () => {
  const answers = [[OK, BUSY, REFUSED, BUSY], [BUSY, OK], [OK]];
  const { requests, refused } = await write(ids(4), () => answers.shift() ?? []);
  assert.deepEqual(requests, [['d0', 'd1', 'd2', 'd3'], ['d1', 'd3'], ['d1']]);
  assert.deepEqual(refused, ['d2']);
});

test('a whole request that is too much now is sent again as it is', async () => {
  const answers = [429, 429, 200];
  const { requests, error } = await write(ids(2), () => answers.shift() ?? 500);
  assert.deepEqual([requests.length, error], [3, undefined]);
});

test('a cluster that stays busy or blocked is a transient failure', async () => {
  const blocked = { status: 403, error: { type: 'cluster_block_exception' } };
  const stays = await write(ids(2), (sent) => sent.map((id) => (id === 'd1' ? BUSY : OK)));
  assert.deepEqual([stays.requests.length, stays.error], [4, 'transient search.busy']);
  assert.equal((await write(ids(2), () => 429)).error, 'transient search.busy');
  assert.equal((await write(ids(1), () => [blocked])).error, 'transient search.blocked');
});

test('an index that is missing is made again once', async () => {
  const restored: string[] = [];
  const restore = async (index: string) => void restored.push(index);
  const answers = [[OK, MISSING], [OK]];
  const { requests } = await write(ids(2), () => answers.shift() ?? [], { restore });
  assert.deepEqual([requests, restored], [[['d0', 'd1'], ['d1']], ['items']]);
  const { error } = await write(ids(1), () => [MISSING], { restore });
  assert.equal(error, 'config search.index-missing');
});

test('of a refused request the culprits are found, and everything else is delivered', async () => {
  const names = ids(64);
  const culprits = ['d7', 'd8', 'd50'];
  const delivered = new Set<string>();
  const { requests, refused } = await write(names, (sent) => {
    if (sent.some((id) => culprits.includes(id))) return 400;
    for (const id of sent) delivered.add(id);
    return 200;
  });
  assert.deepEqual(refused, culprits);
  assert.deepEqual(
    names.filter((id) => !delivered.has(id)),
    culprits,
  );
  // Two halves for each of the six levels of every culprit, the first request and the control.
  assert.ok(requests.length <= 2 + culprits.length * 6 * 2, `${requests.length} requests`);
});

test('nothing is rejected when the server takes no bulk request at all', async () => {
  const { requests, refused, error } = await write(ids(64), () => 400);
  assert.deepEqual([requests.length, requests[1], refused], [2, [CONTROL], []]);
  assert.equal(error, 'config search.bulk-refused');
});

test('nothing is rejected when only the control is taken and one document after the other is refused', async () => {
  const { requests, error } = await write(ids(64), (sent) => (sent[0] === CONTROL ? 200 : 400));
  assert.equal(error, 'internal search.bulk-refused');
  assert.ok(requests.length < 64, `${requests.length} requests`);
});

test('documents that come one by one are not rejected for ever either', async () => {
  const client = new FakeClient((sent) => (sent[0] === CONTROL ? 200 : 400));
  const writer = writerOver(client);
  const { signal } = new AbortController();
  const one = (id: string) => writer.write(itemsOf([id]), { signal });
  const [refusal] = await one('a');
  assert.equal(refusal?.error.code, 'search.document-refused');
  assert.doesNotMatch(refusal.error.message, /SECRET/);
  await assert.rejects(async () => {
    for (const id of ids(20)) await one(id);
  }, /one write after the other/);
});

test('a request that is too large is halved, later ones are smaller, and a single document is rejected', async () => {
  const { refused, requests } = await write(ids(16), (sent) => (sent.length > 4 || sent.includes('d3') ? 413 : 200));
  assert.deepEqual(refused, ['d3']);
  assert.equal(requests.flat().filter((id) => id === 'd15').length, 3);
});

test('an answer that does not fit the request stops the write', async () => {
  assert.equal((await write(ids(2), () => [OK])).error, 'config search.bulk-unavailable');
  assert.equal((await write(ids(2), () => 404)).error, 'config search.bulk-unavailable');
});

const UNKNOWN = { status: 500, error: { type: 'null_pointer_exception' } };
const DOUBTFUL = { status: 400, error: { type: 'illegal_argument_exception', reason: 'of a kind not seen before' } };
const RACE = {
  status: 400,
  error: { type: 'illegal_argument_exception', reason: 'mapper [p] cannot be changed from type [long] to [float]' },
};

test('an item that lost a race for the type of a new field is sent again, and refused when it stays so', async () => {
  const answers = [[OK, RACE], [RACE], [OK]];
  const { requests, refused } = await write(ids(2), () => answers.shift() ?? []);
  assert.deepEqual([requests, refused], [[['d0', 'd1'], ['d1'], ['d1']], []]);
  const stays = await write(ids(40), (sent) => sent.map(() => RACE));
  assert.deepEqual([stays.requests.length, stays.refused.length, stays.error], [4, 40, undefined]);
});

test('an item with an unknown error is refused when it gets it alone, too, and everything else is delivered', async () => {
  const culprits = ids(60).filter((_, index) => index % 2 === 1);
  const { requests, refused, error } = await write(ids(60), (sent) =>
    sent.map((id) => (culprits.includes(id) ? UNKNOWN : OK)),
  );
  assert.deepEqual([new Set(refused), refused.length, error], [new Set(culprits), culprits.length, undefined]);
  const alone = requests.filter((sent) => sent.length === 1).flat();
  assert.deepEqual(alone, culprits);
});

test('an unknown error that passes costs nothing', async () => {
  const answers = [[OK, UNKNOWN, BUSY], [UNKNOWN, OK], [OK]];
  const { requests, refused } = await write(ids(3), () => answers.shift() ?? []);
  assert.deepEqual([requests, refused], [[['d0', 'd1', 'd2'], ['d1', 'd2'], ['d1']], []]);
});

test('nothing is rejected when every document gets an error that may not be about it', async () => {
  for (const answer of [UNKNOWN, DOUBTFUL]) {
    const { error } = await write(ids(40), (sent) => sent.map(() => answer));
    assert.equal(error, 'internal search.bulk-refused', answer.error.type);
    const few = await write(ids(16), (sent) => sent.map(() => answer));
    assert.deepEqual([few.refused.length, few.error], [16, undefined]);
    const some = await write(ids(40), (sent) => sent.map((id) => (id === 'd39' ? OK : answer)));
    assert.deepEqual([some.refused.length, some.error], [39, undefined]);
  }
});

test('deletes that are taken say nothing of documents that are not', async () => {
  const client = new FakeClient((sent) => sent.map((id) => (id.startsWith('gone') ? OK : UNKNOWN)));
  const writer = writerOver(client);
  const { signal } = new AbortController();
  await assert.rejects(async () => {
    for (const id of ids(20)) {
      const [item] = itemsOf([id]).map((each) => ({ ...each, bson: EMPTY }));
      assert.ok(item);
      await writer.write([item], { signal });
      await writer.write(itemsOf([`gone-${id}`]), { signal });
    }
  }, /one write after the other/);
});

test('an index without room for more stops the write, whether said of an item or of the request', async () => {
  const reason = 'number of documents in the index cannot exceed 2147483519';
  const full = { status: 400, error: { type: 'illegal_argument_exception', reason } };
  assert.equal((await write(ids(2), (sent) => sent.map(() => full))).error, 'config search.index-full');
  const body = JSON.stringify({
    error: { type: 'validation_exception', reason: 'this action would add [2] total shards, but …' },
  });
  const client = clientAnswering([{ status: 400, body }]);
  const { signal } = new AbortController();
  await assert.rejects(writerOver(client).write(itemsOf(['a']), { signal }), { code: 'search.shard-limit' });
});

test('a server that takes deletes but no documents rejects none of them', async () => {
  const client = new FakeClient((_, { body }) => (String(body).includes('"index"') ? 400 : 200));
  const items = itemsOf(['a']).map((each) => ({ ...each, bson: EMPTY }));
  const { signal } = new AbortController();
  await assert.rejects(writerOver(client).write(items, { signal }), { code: 'search.bulk-refused', kind: 'config' });
  assert.deepEqual(client.requests, [['a'], [CONTROL]]);
});

test('a request whose answer is too large is halved, and of a single item only the outcome is asked for', async () => {
  const client = new FakeClient((sent, { path }) => {
    const isLarge = sent.includes('d3') && path.includes('items.*.error.reason');
    if (sent.length > 4 || isLarge) {
      throw new SluiceError('too large', { kind: 'config', code: 'search.response-too-large' });
    }
    return sent.map((id) => (id === 'd3' ? REFUSED : OK));
  });
  const { signal } = new AbortController();
  const refusals = await writerOver(client).write(itemsOf(ids(16)), { signal });
  assert.deepEqual(
    refusals.map(({ item }) => item.id),
    ['d3'],
  );
  assert.deepEqual(client.requests.slice(-2), [ids(16).slice(8, 12), ids(16).slice(12)]);
});

test('where a pipeline can be, each item has its own answer, whatever their order', async () => {
  const other = { status: 400, error: { type: 'mapper_parsing_exception', reason: 'Duplicate field' } };
  const client = new FakeClient(() => [
    { ...REFUSED, _id: 'd2', _index: 'items-1' },
    { ...OK, _id: 'd1', _index: 'items-1' },
    { ...other, _id: 'd0', _index: 'items-1' },
  ]);
  const { signal } = new AbortController();
  const pipelines = { mayTouch: async () => true };
  const refusals = await writerOver(client, { pipelines }).write(itemsOf(ids(3)), { signal });
  assert.deepEqual(
    refusals.map(({ item, error }) => [item.id, error.message.includes('Duplicate field')]),
    [
      ['d0', true],
      ['d2', false],
    ],
  );
});

test('a document that a pipeline drops is removed with the version of its state, or becomes a tombstone', async () => {
  for (const json of [undefined, Buffer.from('{"mark":1}')]) {
    const bodies: string[] = [];
    const client = new FakeClient((sent, { body }) => {
      bodies.push(String(body));
      return sent.map((id) => ({ ...OK, result: bodies.length === 1 && id === 'd1' ? 'noop' : 'updated', _id: id }));
    });
    const { signal } = new AbortController();
    const counts = { dropped: 0 };
    const items = itemsOf(ids(3)).map((each) => ({ ...each, bson: EMPTY }));
    const end = () => (json === undefined ? {} : { json });
    let said = 0;
    const logger = { ...silentLogger, warn: () => void (said += 1) };
    const writer = writerOver(client, { end, logger, pipelines: { mayTouch: async () => true } });
    assert.deepEqual(await writer.write(items, { signal }, counts), []);
    assert.deepEqual([client.requests, counts], [[['d0', 'd1', 'd2'], ['d1']], { dropped: 1 }]);
    const expected = json === undefined ? /^\{"delete":.*"version":1,/ : /^\{"index":.*"version":1,.*\n\{"mark":1\}\n$/;
    assert.match(bodies[1] ?? '', expected);
    bodies.length = 0;
    await writer.write(items, { signal }, counts);
    assert.deepEqual([counts.dropped, said], [2, 1]);
  }
});

test('ownership is asked for before each request, and an abort comes through unchanged', async () => {
  const client = new FakeClient((sent) => sent.map(() => BUSY));
  const reason = new Error('stop');
  const abort = new AbortController();
  let asked = 0;
  const ensureOwned = () => {
    asked += 1;
    if (asked === 2) abort.abort(reason);
  };
  const scope = { signal: abort.signal, ensureOwned };
  await assert.rejects(writerOver(client).write(itemsOf(['a']), scope), (error) => error === reason);
  assert.equal(asked, client.requests.length);
});
