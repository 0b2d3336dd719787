import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { isRunning, startServerOwner, waitUntilGone } from './orphan-check.ts';
import { startSearch, testSearch } from './search.ts';

async function ask(url: string, method: string, path: string, body?: unknown): Promise<unknown> {
  const response = await fetch(`${url}${path}`, {
    method,
    headers: { 'content-type': 'application/json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  return response.json();
}

interface Info {
  readonly version: { readonly number: string; readonly distribution?: string };
}

test('the shared server is the same for the whole process, and is an OpenSearch', async () => {
  const url = await testSearch();
  assert.equal(await testSearch(), url);
  const { version } = (await ask(url, 'GET', '/')) as Info;
  assert.equal(version.distribution, 'opensearch');
});

test('stopped, killed or paused, it comes back with its data on the same port', { timeout: 240_000 }, async () => {
  const server = await startSearch({ settings: { 'cluster.max_shards_per_node': 7 } });
  const { url } = server;
  const pids = [];
  for (const [index, signal] of (['SIGTERM', 'SIGKILL', 'SIGSTOP'] as const).entries()) {
    // An answer means that it is in the translog on disk.
    await ask(url, 'PUT', `/a/_doc/${index}?version=${2 ** 40 + index}&version_type=external`, { signal });
    pids.push(server.pid);
    await server.stop(signal);
    assert.equal(isRunning(server.pid), signal === 'SIGSTOP');
    await server.start();
    await ask(url, 'POST', '/a/_refresh');
    const { count } = (await ask(url, 'GET', '/a/_count')) as { count: number };
    assert.equal(count, index + 1);
  }
  const settings = JSON.stringify(await ask(url, 'GET', '/_nodes/settings'));
  assert.match(settings, /"max_shards_per_node":"7"/);
  const { dir } = server;
  await server[Symbol.asyncDispose]();
  await waitUntilGone({ dir, pids: [...pids, server.pid] });
});

test('OpenSearch does not outlive a killed test run', { timeout: 120_000 }, async () => {
  const owner = await startServerOwner(
    `
    import { startSearch } from './search.ts';
    const { dir, pid } = await startSearch();
    console.log(JSON.stringify({ dir, pids: [pid] }));
    setInterval(() => {}, 1000);
    `,
    import.meta.url,
  );
  owner.process.kill('SIGKILL');
  await once(owner.process, 'exit');
  await waitUntilGone(owner);
});

test('Elasticsearch starts as well, with the modules that tests use', { timeout: 120_000 }, async () => {
  await using server = await startSearch({ product: 'elasticsearch' });
  const { version } = (await ask(server.url, 'GET', '/')) as Info;
  assert.deepEqual([version.number, version.distribution], ['7.10.2', undefined]);
  await ask(server.url, 'PUT', '/_ingest/pipeline/p', { processors: [{ set: { field: 'x', value: 1 } }] });
  await ask(server.url, 'PUT', '/a/_doc/1?refresh=true&pipeline=p', { a: 1 });
  const query = { script: { script: "doc['x'].value == 1" } };
  const { deleted } = (await ask(server.url, 'POST', '/a/_delete_by_query', { query })) as { deleted: number };
  assert.equal(deleted, 1);
});

test('a server that cannot start says why', { timeout: 120_000 }, async () => {
  await assert.rejects(
    startSearch({ settings: { 'no.such.setting': 1 } }),
    /OpenSearch 2\.19\.1 did not start: exit code 1[^]*no\.such\.setting/,
  );
});
