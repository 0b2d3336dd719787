import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { SluiceError } from '../../core/failure.ts';
import type { Sink } from '../../core/sink.ts';
import { type SearchServer, startSearch } from '../../testing/servers/search.ts';
import { waitFor } from '../../testing/wait-for.ts';
import { SearchFixture, writeAll } from './sink-fixture.ts';

/** Small, so that a document can be too large for it. */
const MOST_BYTES = 256 * 1024;
const KEYS = 40;
const BATCHES = 60;
const PER_BATCH = 25;

let server: SearchServer;
before(async () => {
  server = await startSearch({ settings: { 'http.max_content_length': `${MOST_BYTES}b` } });
});
after(() => server[Symbol.asyncDispose]());

test('what is too large for the server is rejected, and what is too much is sent in parts', async () => {
  await using fixture = new SearchFixture(server.url);
  await using sink = await fixture.sink();
  const text = 'x'.repeat(20_000);
  const events = Array.from({ length: 40 }, (_, sequence) =>
    fixture.event({ sequence, id: `d${sequence}`, document: { text: sequence === 7 ? 'x'.repeat(300_000) : text } }),
  );
  const { delivered, rejected } = await writeAll(sink, events);
  assert.deepEqual([delivered, rejected], [39, ['search.document-too-large 7']]);
  assert.equal((await fixture.found()).size, 39);
});

test('the index is equal to the source after its server was killed in the middle of writes', async () => {
  await using fixture = new SearchFixture(server.url);
  const events = Array.from({ length: BATCHES * PER_BATCH }, (_, sequence) => {
    const op = sequence % 7 === 3 ? 'delete' : 'update';
    return fixture.event({ sequence, id: `d${(sequence * 17) % KEYS}`, op, document: { v: `state ${sequence}` } });
  });
  const expected = new Map<string, string>();
  for (const [sequence, { op }] of events.entries()) {
    const id = `d${(sequence * 17) % KEYS}`;
    if (op === 'delete') expected.delete(id);
    else expected.set(id, `state ${sequence}`);
  }
  const open = () => fixture.sink({ requestTimeout: '30s' });
  const reopened = () =>
    waitFor(open, { timeoutMs: 240_000, intervalMs: 200, retryErrors: true, message: 'the server is there again' });
  let sink: Sink = await open();
  let restarting: Promise<void> = Promise.resolve();
  let isKilled = false;
  let failures = 0;
  for (let batch = 0; batch < BATCHES; ) {
    const start = batch * PER_BATCH;
    const writing = writeAll(sink, events.slice(start, start + PER_BATCH));
    if (!isKilled && batch === 20) {
      isKilled = true;
      failures = 0;
      restarting = server.stop('SIGKILL').then(() => server.start());
    }
    try {
      assert.deepEqual((await writing).rejected, []);
      batch += 1;
    } catch (error) {
      assert.ok(error instanceof SluiceError && error.kind === 'transient', String(error));
      failures += 1;
      await sink[Symbol.asyncDispose]();
      sink = await reopened();
      // As a pipeline does whose checkpoint is some batches behind.
      batch = Math.max(0, batch - 3);
    }
  }
  await restarting;
  await sink[Symbol.asyncDispose]();
  const found = [...(await fixture.found())].map(([id, { source }]) => [id, source['v']]);
  assert.deepEqual(Object.fromEntries(found), Object.fromEntries(expected));
  assert.ok(failures > 0, 'the server was killed between writes');
});

test('a tombstone keeps older writes out where the index has been closed in between, and nothing is remembered of a removed document', async () => {
  await using fixture = new SearchFixture(server.url);
  const at = (i: number) => ({ time: { t: 1_750_000_000, i } });
  const write = async (mode: string, events: Parameters<typeof writeAll>[1]) => {
    await using sink = await fixture.sink({ deletes: { mode } });
    await writeAll(sink, events);
  };
  await write('remove', [fixture.event({ id: 'removed', ...at(1) }), fixture.event({ id: 'marked', ...at(1) })]);
  await write('remove', [fixture.event({ id: 'removed', op: 'delete', ...at(3) })]);
  await write('tombstone', [fixture.event({ id: 'marked', op: 'delete', ...at(3) })]);
  // The same as a restart of the node, or a move of the shard: the versions of removed documents are only in memory.
  await fixture.call('POST', `/${fixture.index()}/_close`);
  await fixture.call('POST', `/${fixture.index()}/_open`);
  await fixture.call('GET', `/_cluster/health/${fixture.index()}?wait_for_status=yellow&timeout=90s`);
  await write(
    'remove',
    ['removed', 'marked'].map((id) => fixture.event({ id, document: { v: 'zombie' }, ...at(2) })),
  );
  const found = await fixture.found();
  assert.deepEqual(
    [found.get('removed')?.source['v'], '_sluice' in (found.get('marked')?.source ?? {})],
    ['zombie', true],
  );
});
