import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SluiceError } from '../../core/failure.ts';
import { type Answering, FakeClient, itemsOf, writerOver } from './bulk-fixture.ts';
import type { BulkWriterParts } from './bulk-writer.ts';

const OK = { status: 200 };
const BUSY = { status: 429, error: { type: 'es_rejected_execution_exception' } };
const REFUSED = { status: 400, error: { type: 'mapper_parsing_exception' } };
const MISSING = { status: 404, error: { type: 'index_not_found_exception' } };
const CONTROL = '~sluice';
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
  }, /one request after the other/);
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
