import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { mixedId } from '../src/testing/mixed-ids.ts';
import { testRandom } from '../src/testing/random.ts';
import { testKafka } from '../src/testing/servers/kafka.ts';
import { testMongo } from '../src/testing/servers/mongo.ts';
import { withMongo } from '../src/testing/servers/mongo-member.ts';
import { testNats } from '../src/testing/servers/nats.ts';
import { preloadKeys, runWorkload } from '../src/testing/workload.ts';
import { type DocumentTarget, waitUntilEqual, wholeDocuments } from './document-targets.ts';
import { isReady } from './pipeline-bed.ts';
import { type RunningPipelines, stateText, type WorkerBed, workerBed } from './worker-bed.ts';

/** What is compared, and what is broken meanwhile. */
export interface EqualRun {
  /** Places of their own for what comes directly and for what comes through a broker. */
  readonly direct: DocumentTarget;
  readonly throughKafka: DocumentTarget;
  readonly throughNats: DocumentTarget;
  /** Kills the target's server and starts it again. */
  crash(): Promise<void>;
}

const COLLECTIONS = ['items', 'orders'];
const KEYS = 400;
/** What is killed, in turn. */
const VICTIMS = ['direct', 'from-kafka', 'target', 'readers'] as const;
const ROUNDS = 2;
const CALM_MS = 240_000;

/**
 * Mixed writes with ids of every type, of which some documents were there before, go directly, through Kafka and through
 * NATS into a target, while the processes and the target are killed at random points. In the end the target is equal.
 */
export async function equalRun(t: TestContext, run: EqualRun): Promise<void> {
  const random = testRandom(t);
  const [uri, brokers, servers] = await Promise.all([testMongo(), testKafka(), testNats()]);
  await using bed = await workerBed();
  const source = { uri, db: `equal_${bed.id}` };
  const load = { ...source, collections: COLLECTIONS, keys: KEYS, idOf: mixedId, seed: random.seed, pauseMs: 20 };
  await preloadKeys(load);
  await using _dropped = {
    [Symbol.asyncDispose]: () => withMongo(uri, (own) => own.db(source.db).dropDatabase()) as Promise<never>,
  };
  const pipelines = new Pipelines(bed, run, { ...source, brokers, servers });
  await using _ended = pipelines;
  await pipelines.startAll();
  const stop = new AbortController();
  const writing = runWorkload({ ...load, writers: 4, preloaded: true }, stop.signal);
  try {
    for (const victim of Array.from({ length: ROUNDS }, () => VICTIMS).flat()) {
      await delay(1_000 + random.next() * 3_500);
      if (victim === 'target') await run.crash();
      else await pipelines.restart(victim);
    }
  } finally {
    stop.abort();
    await writing;
  }
  const { ok } = await writing;
  t.diagnostic(`${ok} writes`);
  assert.ok(ok > 500, `only ${ok} writes`);
  try {
    for (const target of [run.direct, run.throughKafka, run.throughNats]) {
      await waitUntilEqual(target, source, { collections: COLLECTIONS, timeoutMs: CALM_MS });
    }
  } catch (cause) {
    throw new Error(`${(cause as Error).message}\n${await pipelines.text()}`, { cause });
  }
}

interface Ends {
  readonly uri: string;
  readonly db: string;
  readonly brokers: readonly string[];
  readonly servers: readonly string[];
}

type ProcessName = 'direct' | 'readers' | 'from-kafka' | 'from-nats';

/** The processes: one from source to target, one into both brokers, and one from each of them to the target. */
class Pipelines implements AsyncDisposable {
  readonly #bed: WorkerBed;
  /** Per process its pipelines by name. */
  readonly #definitions: Readonly<Record<ProcessName, Readonly<Record<string, object>>>>;
  readonly #running = new Map<ProcessName, RunningPipelines>();

  constructor(bed: WorkerBed, { direct, throughKafka, throughNats }: EqualRun, { brokers, servers, ...place }: Ends) {
    this.#bed = bed;
    const name = `equal-${bed.id}`;
    const source = wholeDocuments(place, { snapshot: 'initial' });
    const format = { name: 'change', json: 'canonical' };
    const createTopics = { partitions: 4, replicationFactor: 1 };
    const kafka = { brokers, topics: [name], group: name, topicRefresh: '1s' };
    // Names are those of checkpoints and leases, too.
    this.#definitions = {
      direct: { [`${name}-direct`]: { source, sink: direct.sink() } },
      readers: {
        [`${name}-to-kafka`]: { source, sink: { kafka: { brokers, topic: name, format, createTopics } } },
        [`${name}-to-nats`]: { source, sink: { nats: { servers, stream: name, subject: `${name}.{coll}`, format } } },
      },
      'from-kafka': { [`${name}-from-kafka`]: { source: { kafka }, sink: throughKafka.sink() } },
      'from-nats': {
        [`${name}-from-nats`]: { source: { nats: { servers, stream: name, durable: name } }, sink: throughNats.sink() },
      },
    };
  }

  async startAll(): Promise<void> {
    const first = ['direct', 'readers'] as const;
    await Promise.all(first.map((name) => this.#start(name)));
    for (const name of first) {
      for (const pipeline of Object.keys(this.#definitions[name])) {
        await this.#running.get(name)?.waitFor(pipeline, isReady);
      }
    }
    await Promise.all((['from-kafka', 'from-nats'] as const).map((name) => this.#start(name)));
  }

  /** `kill -9`, and a new process at once. */
  async restart(name: ProcessName): Promise<void> {
    const running = this.#running.get(name);
    const exit = await running?.process.end('SIGKILL');
    assert.equal(exit?.signal, 'SIGKILL', `${name} ended by itself: ${running?.process.stderr.slice(-2_000)}`);
    await this.#start(name);
  }

  /** The status of every pipeline, and the end of the log of every process. */
  async text(): Promise<string> {
    const texts = [...this.#running].map(([name, running]) => stateText(running, Object.keys(this.#definitions[name])));
    return (await Promise.all(texts)).join('\n');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#running.values()].map((one) => one[Symbol.asyncDispose]()));
  }

  async #start(name: ProcessName): Promise<void> {
    this.#running.set(name, await this.#bed.start(this.#definitions[name]));
  }
}
