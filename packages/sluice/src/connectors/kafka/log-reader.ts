import { SluiceError } from '../../core/failure.ts';
import { classifyKafkaError } from './classify.ts';
import type { KafkaClient } from './client.ts';
import { FETCH, type FetchedPartition, LIST_OFFSETS } from './protocol.ts';

/** One record batch of a log; control batches hold the end of a transaction instead of data. */
export type LogBatch = NonNullable<FetchedPartition['records']>[number];

/** The bounds of a log. */
export interface LogBounds {
  /** First offset that can be read. */
  readonly start: bigint;
  /** Everything before it is decided: no transaction that began there is still open. */
  readonly stable: bigint;
  /** First offset that does not exist yet (or is not replicated yet). */
  readonly end: bigint;
}

/** Topics of our own have everything in partition 0: with another one a grown topic would hide what it holds. */
const PARTITION = 0;

const READ_UNCOMMITTED = 0;
const READ_COMMITTED = 1;
const LATEST = -1n;
const EARLIEST = -2n;
const FETCH_WAIT_MS = 500;
const FETCH_BYTES = 8 * 1024 * 1024;
const NO_EPOCH = -1;
const NO_SESSION = -1;

/** The log of a topic of our own, read as it is: with aborted records and control batches. */
export class LogReader {
  readonly topic: string;
  readonly #client: KafkaClient;

  constructor(client: KafkaClient, topic: string) {
    this.#client = client;
    this.topic = topic;
  }

  /** Where the log begins and ends now. Throws classified errors. */
  async bounds(signal: AbortSignal): Promise<LogBounds> {
    return this.#client.run('read', signal, async () => {
      const [start, stable, end] = await Promise.all([
        this.#offset(EARLIEST, READ_UNCOMMITTED),
        this.#offset(LATEST, READ_COMMITTED),
        this.#offset(LATEST, READ_UNCOMMITTED),
      ]);
      return { start, stable, end };
    });
  }

  /**
   * The batches with records from `from` on and before `to`, in order; the first one may begin before `from`. Throws
   * classified errors, also when the log gives nothing more before `to` for one request time-out.
   */
  async *read(from: bigint, to: bigint, signal: AbortSignal): AsyncGenerator<LogBatch, void, void> {
    let next = from;
    let progressMs = performance.now();
    while (next < to) {
      const batches = await this.#client.run('read', signal, () => this.#fetch(next));
      for (const batch of batches) {
        const last = batch.firstOffset + BigInt(batch.lastOffsetDelta);
        if (last < next) continue;
        if (batch.firstOffset >= to) return;
        next = last + 1n;
        progressMs = performance.now();
        yield batch;
      }
      if (batches.length === 0 && performance.now() - progressMs > this.#client.requestTimeoutMs) {
        throw new SluiceError(`the topic "${this.topic}" cannot be read beyond offset ${next}`, {
          kind: 'transient',
          code: 'kafka.timeout',
        });
      }
    }
  }

  async #fetch(offset: bigint): Promise<readonly LogBatch[]> {
    const partition = {
      partition: PARTITION,
      currentLeaderEpoch: NO_EPOCH,
      fetchOffset: offset,
      lastFetchedEpoch: NO_EPOCH,
      partitionMaxBytes: FETCH_BYTES,
    };
    const topics = [{ topicId: this.topic, partitions: [partition] }];
    const link = await this.#client.connectTo(await this.#leader());
    const response = await link
      .api(FETCH)
      .async(link.connection, FETCH_WAIT_MS, 1, FETCH_BYTES, READ_UNCOMMITTED, 0, NO_SESSION, topics, [], '');
    return response.responses[0]?.partitions[0]?.records ?? [];
  }

  async #offset(timestamp: bigint, isolation: number): Promise<bigint> {
    const partition = { partitionIndex: PARTITION, currentLeaderEpoch: NO_EPOCH, timestamp };
    const link = await this.#client.connectTo(await this.#leader());
    const response = await link
      .api(LIST_OFFSETS)
      .async(link.connection, -1, isolation, [{ name: this.topic, partitions: [partition] }]);
    return response.topics[0]?.partitions[0]?.offset ?? 0n;
  }

  async #leader(): Promise<number> {
    const state = (await this.#client.describeTopics([this.topic])).get(this.topic);
    const leader = state?.leaders[PARTITION] ?? -1;
    if (leader >= 0) return leader;
    throw classifyKafkaError(leaderless(this.topic), 'read');
  }
}

function leaderless(topic: string): SluiceError {
  return new SluiceError(`the topic "${topic}" has no leader now`, { kind: 'transient', code: 'kafka.not-available' });
}
