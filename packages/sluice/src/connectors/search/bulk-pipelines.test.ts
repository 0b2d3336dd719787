import assert from 'node:assert/strict';
import { test } from 'node:test';
import { clientAnswering } from './bulk-fixture.ts';
import { BulkPipelines } from './bulk-pipelines.ts';

const { signal } = new AbortController();
const answer = (settings: object, status = 200) => ({ status, body: JSON.stringify({ 'items-1': { settings } }) });

test('an index may have a pipeline when its settings name one, or do not tell', async () => {
  const cases = [
    [answer({}), false],
    [{ status: 200, body: '{}' }, false],
    [answer({ 'index.default_pipeline': '_none' }), false],
    [answer({ 'index.default_pipeline': 'p' }), true],
    [answer({ 'index.default_pipeline': '_none', 'index.final_pipeline': 'p' }), true],
    [answer({}, 404), true],
    [{ status: 200, body: 'a page of a proxy' }, true],
  ] as const;
  for (const [given, expected] of cases) {
    const pipelines = new BulkPipelines(clientAnswering([given]), undefined);
    assert.equal(await pipelines.mayTouch(['items'], signal), expected, given.body);
  }
});

test('each index is asked for once in a while, and none where a pipeline is configured', async () => {
  const client = clientAnswering([answer({}), answer({}), answer({ 'index.final_pipeline': 'p' })]);
  const pipelines = new BulkPipelines(client, undefined);
  for (let round = 0; round < 3; round++) assert.equal(await pipelines.mayTouch(['a', 'b'], signal), false);
  assert.equal(await pipelines.mayTouch(['a', 'c'], signal), true);
  assert.deepEqual(
    client.sent.map(({ path }) => path.split('/')[1]),
    ['a', 'b', 'c'],
  );
  assert.equal(await new BulkPipelines(client, 'p').mayTouch(['d'], signal), true);
  assert.equal(client.sent.length, 3);
});

test('an abort comes through unchanged', async () => {
  const abort = new AbortController();
  const reason = new Error('stop');
  const client = clientAnswering([]);
  const json = () => {
    abort.abort(reason);
    return Promise.reject(reason);
  };
  const pipelines = new BulkPipelines({ ...client, json }, undefined);
  await assert.rejects(pipelines.mayTouch(['items'], abort.signal), (error) => error === reason);
});
