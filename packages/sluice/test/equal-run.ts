import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { mixedId } from '../src/testing/mixed-ids.ts';
import { testRandom } from '../src/testing/random.ts';
import { testKafka } from '../src/testing/servers/kafka.ts';
import { testMongo } from '../src/testing/servers/mongo.ts';
import { withMongo } from '../src/testing/servers/mongo-member.ts';
import { preloadKeys, runWorkload } from '../src/testing/workload.ts';
import { type DocumentTarget, waitUntilEqual, wholeDocuments } from './document-targets.ts';
import { isReady } from './pipeline-bed.ts';
import { type RunningPipelines, type WorkerBed, workerBed } from './worker-bed.ts';

/** What is compared, and what is broken meanwhile. */
export interface EqualRun {
  /** Places of their own for what comes directly and for what comes through Kafka. */
  readonly direct: DocumentTarget;
  readonly throughKafka: DocumentTarget;
  /** Further settings of the sink, for what comes directly. */
  readonly settings?: object;
  /** Kills the target's server and starts it again. */
  crash(): Promise<void>;
}

const COLLECTIONS = ['items', 'orders'];
const KEYS = 400;
/** Of the two processes and the target, in turn. */
const KILLS = 9;
const CALM_MS = 60_000;

/**
 * Mixed writes with ids of every type, of which some documents were there before, go directly and through Kafka into a
 * target, while each of the processes and the target are killed at random points. In the end the target is equal.
 */
export async function equalRun(t: TestContext, run: EqualRun): Promise<void> {
  const random = testRandom(t);
  const [uri, brokers] = await Promise.all([testMongo(), testKafka()]);
  await using bed = await workerBed();
  const source = { uri, db: `equal_${bed.id}` };
  const load = { ...source, collections: COLLECTIONS, keys: KEYS, idOf: mixedId, seed: random.seed, pauseMs: 20 };
  await preloadKeys(load);
  await using _dropped = {
    [Symbol.asyncDispose]: () => withMongo(uri, (own) => own.db(source.db).dropDatabase()) as Promise<never>,
  };
  const pipelines = new Pipelines(bed, run, { ...source, brokers });
  await using _ended = pipelines;
  await pipelines.startAll();
  const stop = new AbortController();
  const writing = runWorkload({ ...load, writers: 4, preloaded: true }, stop.signal);
  try {
    for (let kill = 0; kill < KILLS; kill++) {
      await delay(1_000 + random.next() * 3_500);
      if (kill % 3 === 2) await run.crash();
      else await pipelines.restart(kill % 3 === 0 ? 'direct' : 'from-kafka');
    }
  } finally {
    stop.abort();
    await writing;
  }
  const { ok } = await writing;
  t.diagnostic(`${ok} writes`);
  assert.ok(ok > 500, `only ${ok} writes`);
  for (const target of [run.direct, run.throughKafka]) {
    await waitUntilEqual(target, source, { collections: COLLECTIONS, timeoutMs: CALM_MS });
  }
}

interface Ends {
  readonly uri: string;
  readonly db: string;
  readonly brokers: readonly string[];
}

type Killed = 'direct' | 'from-kafka';

/** The processes: one from source to target, one to Kafka, one from there to the target. */
class Pipelines implements AsyncDisposable {
  readonly #bed: WorkerBed;
  readonly #definitions: Readonly<Record<Killed | 'to-kafka', object>>;
  readonly #running = new Map<string, RunningPipelines>();

  constructor(bed: WorkerBed, { direct, throughKafka, settings }: EqualRun, { brokers, ...place }: Ends) {
    this.#bed = bed;
    const topic = `equal-${bed.id}`;
    const source = wholeDocuments(place, { snapshot: 'initial' });
    const format = { name: 'change', json: 'canonical' };
    const createTopics = { partitions: 4, replicationFactor: 1 };
    this.#definitions = {
      direct: { source, sink: direct.sink(settings) },
      'to-kafka': { source, sink: { kafka: { brokers, topic, format, createTopics } } },
      'from-kafka': {
        source: { kafka: { brokers, topics: [topic], group: topic, topicRefresh: '1s' } },
        sink: throughKafka.sink(),
      },
    };
  }

  async startAll(): Promise<void> {
    await Promise.all([this.#start('direct'), this.#start('to-kafka')]);
    for (const name of ['direct', 'to-kafka']) await this.#running.get(name)?.waitFor(this.#named(name), isReady);
    await this.#start('from-kafka');
  }

  /** `kill -9`, and a new process at once. */
  async restart(name: Killed): Promise<void> {
    const exit = await this.#running.get(name)?.process.end('SIGKILL');
    assert.equal(exit?.signal, 'SIGKILL', `${name} ended by itself`);
    await this.#start(name);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#running.values()].map((one) => one[Symbol.asyncDispose]()));
  }

  async #start(name: Killed | 'to-kafka'): Promise<void> {
    this.#running.set(name, await this.#bed.start({ [this.#named(name)]: this.#definitions[name] }));
  }

  /** Names are those of checkpoints and leases, too. */
  #named(name: string): string {
    return `${name}-${this.#bed.id}`;
  }
}
