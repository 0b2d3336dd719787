import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { mixedId } from '../src/testing/mixed-ids.ts';
import { type Random, testRandom } from '../src/testing/random.ts';
import { testMongo } from '../src/testing/servers/mongo.ts';
import { withMongo } from '../src/testing/servers/mongo-member.ts';
import { startTcpProxy, type TcpProxy } from '../src/testing/tcp-proxy.ts';
import { preloadKeys, runWorkload } from '../src/testing/workload.ts';
import { type SourcePlace, wholeDocuments } from './document-targets.ts';
import { isReady } from './pipeline-bed.ts';
import { stateText, workerBed } from './worker-bed.ts';

/** What is reached over connections that break. */
export interface BadNetworkRun {
  /** Ports of the servers besides the source, on this machine. */
  readonly ports: readonly number[];
  /** The pipelines by name, from this source; `addresses` (`host:port`) stand for the ports, in their order. */
  pipelines(source: object, addresses: readonly string[], id: string): Readonly<Record<string, object>>;
  /** Waits until the target holds what the source holds. Reaches both without detours. */
  untilEqual(source: SourcePlace, collections: readonly string[], timeoutMs: number): Promise<void>;
}

const COLLECTIONS = ['items'];
const TROUBLES = 40;
const LONGEST_PAUSE_MS = 800;
const LONGEST_HOLE_MS = 400;
const CALM_MS = 240_000;
/** So large that commands do not fit into the buffers of sockets: connections break in the middle of them, too. */
const LOAD = { keys: 100, padBytes: 100_000, writers: 4, pauseMs: 10, idOf: mixedId };

/**
 * Connections to the source and to all other servers are cut, or swallow everything for a while, again and again while
 * large documents change. Every pipeline must get over it by itself, and in the end the target is equal.
 */
export async function badNetworkRun(t: TestContext, run: BadNetworkRun): Promise<void> {
  const random = testRandom(t);
  const uri = await testMongo();
  await using bed = await workerBed();
  const source = { uri, db: `network_${bed.id}` };
  const load = { ...source, ...LOAD, collections: COLLECTIONS, seed: random.seed };
  await preloadKeys(load);
  await using _dropped = {
    [Symbol.asyncDispose]: () => withMongo(uri, (client) => client.db(source.db).dropDatabase()) as Promise<never>,
  };
  await using proxies = new AsyncDisposableStack();
  const toSource = proxies.use(await startTcpProxy(Number(new URL(uri).port)));
  const others: TcpProxy[] = [];
  for (const port of run.ports) others.push(proxies.use(await startTcpProxy(port)));
  const through = { uri: `mongodb://${toSource.address}/?directConnection=true`, db: source.db };
  const section = wholeDocuments(through, { snapshot: 'initial', serverSelectionTimeout: '5s' });
  const pipelines = run.pipelines(
    section,
    others.map(({ address }) => address),
    bed.id,
  );
  await using running = await bed.start(pipelines);
  for (const name of Object.keys(pipelines)) await running.waitFor(name, isReady);
  const stop = new AbortController();
  const writing = runWorkload({ ...load, preloaded: true }, stop.signal);
  try {
    await makeTrouble([toSource, ...others], random);
  } finally {
    stop.abort();
    await writing;
  }
  try {
    await run.untilEqual(source, COLLECTIONS, CALM_MS);
  } catch (cause) {
    const state = await stateText(running, Object.keys(pipelines));
    throw new Error(`${(cause as Error).message}\n${state}`, { cause });
  }
  const { ok } = await writing;
  const attempts = running.process.stderr.match(/"retries":\d+/g)?.length ?? 0;
  t.diagnostic(`${ok} writes, ${attempts} attempts that failed`);
  assert.ok(ok > 100, `only ${ok} writes`);
  assert.ok(attempts > 0, 'no connection that mattered was broken');
}

async function makeTrouble(proxies: readonly TcpProxy[], random: Random): Promise<void> {
  for (let count = 0; count < TROUBLES; count++) {
    await delay(random.next() * LONGEST_PAUSE_MS);
    const proxy = proxies[random.int(proxies.length)] as TcpProxy;
    if (random.next() < 0.5) {
      proxy.blackhole();
      await delay(random.next() * LONGEST_HOLE_MS);
      if (random.next() < 0.5) proxy.cut();
      proxy.heal();
    } else {
      proxy.cut();
    }
  }
}
