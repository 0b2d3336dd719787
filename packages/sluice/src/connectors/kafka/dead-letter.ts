import type { ConnectorContext } from '../../core/connector.ts';
import type { DeadLetter, DeadLetterStore } from '../../core/dead-letter.ts';
import { SluiceError } from '../../core/failure.ts';
import { BatchProducer, newProducerIdentity } from './batch-producer.ts';
import { BufferPool } from './buffer-pool.ts';
import { KafkaClient } from './client.ts';
import { dataRecords, type LogRecord } from './committed-records.ts';
import { codecFor } from './compression.ts';
import type { KafkaDeadLetterConfig } from './config.ts';
import { deadLetterKey, decodeDeadLetter, encodeDeadLetter, keyPrefix } from './dead-letter-record.ts';
import { LogReader } from './log-reader.ts';
import { type KeyedRecord, packKeyed } from './own-records.ts';
import { openOwnTopic } from './own-topic.ts';
import { type TopicInfo, TopicRegistry } from './topics.ts';

/** Room for what belongs to a record besides its value: key, lengths, header of the batch. */
const RECORD_OVERHEAD_BYTES = 4096;

/** For topics that are created here: an event of 16 MB in base64, with everything around it. */
const LARGEST_ENTRY_BYTES = 32 * 1024 * 1024;

const POOL_LIMIT_BYTES = 1024 * 1024;

/** Dead letters in a compacted topic: one record per entry, keyed by pipeline and event id; a tombstone removes it. */
export async function openKafkaDeadLetters(
  config: KafkaDeadLetterConfig,
  { logger, signal }: ConnectorContext,
): Promise<DeadLetterStore> {
  const client = await KafkaClient.open(config, signal);
  try {
    const required = { 'cleanup.policy': 'compact', 'max.message.bytes': String(LARGEST_ENTRY_BYTES) };
    const policy = { ...config.createTopics, partitions: 1, required };
    const topics = new TopicRegistry(client, { policy, logger });
    const topic = await openOwnTopic(topics, config.topic, { client, signal });
    return new KafkaDeadLetters(client, topics, topic);
  } catch (error) {
    await client[Symbol.asyncDispose]();
    throw error;
  }
}

/** Where an entry is in the log: its first record gives its place in the list, its last one what it is now. */
interface Place {
  readonly first: bigint;
  readonly last: bigint;
}

class KafkaDeadLetters implements DeadLetterStore {
  readonly #client: KafkaClient;
  readonly #topics: TopicRegistry;
  readonly #topic: TopicInfo;
  readonly #log: LogReader;
  readonly #pack = { codec: codecFor('zstd'), pool: new BufferPool(POOL_LIMIT_BYTES) };
  #producer: BatchProducer | undefined;
  #writing: Promise<unknown> = Promise.resolve();

  constructor(client: KafkaClient, topics: TopicRegistry, topic: TopicInfo) {
    this.#client = client;
    this.#topics = topics;
    this.#topic = topic;
    this.#log = new LogReader(client, topic.name);
  }

  async put(letters: readonly DeadLetter[], signal: AbortSignal): Promise<void> {
    const limit = this.#topic.maxMessageBytes - RECORD_OVERHEAD_BYTES;
    const records = letters.map((letter) => ({
      key: deadLetterKey(letter.pipeline, letter.id),
      value: encodeDeadLetter(letter, limit),
    }));
    await this.#write(records, signal);
  }

  async remove(pipeline: string, ids: readonly string[], signal: AbortSignal): Promise<void> {
    await this.#write(
      ids.map((id) => ({ key: deadLetterKey(pipeline, id), value: null })),
      signal,
    );
  }

  async *list(pipeline: string, signal: AbortSignal): AsyncGenerator<DeadLetter, void, void> {
    const prefix = keyPrefix(pipeline);
    const { places, end } = await this.#index((key) => key.startsWith(prefix), signal);
    const inOrder = [...places.values()].sort((a, b) => (a.first < b.first ? -1 : 1));
    const [oldest] = inOrder;
    if (oldest === undefined) return;
    // Most entries were written once and come in the order of the log; only changed ones are looked up elsewhere.
    await using forward = recordsFrom(this.#log, { from: oldest.first, to: end }, signal);
    for (const { first, last } of inOrder) {
      if (first !== last) yield this.#decode(await this.#recordAt(last, signal));
      else yield this.#decode(await nextAt(forward, last));
    }
  }

  async get(pipeline: string, id: string, signal: AbortSignal): Promise<DeadLetter | undefined> {
    const wanted = deadLetterKey(pipeline, id);
    const place = (await this.#index((key) => key === wanted, signal)).places.get(wanted);
    return place === undefined ? undefined : this.#decode(await this.#recordAt(place.last, signal));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#client[Symbol.asyncDispose]();
  }

  /** Reads the whole log and keeps the places only: entries can be megabytes each. */
  async #index(wanted: (key: string) => boolean, signal: AbortSignal) {
    const { start, end } = await this.#log.bounds(signal);
    const places = new Map<string, Place>();
    for await (const batch of this.#log.read(start, end, signal)) {
      for (const { key, value, offset } of dataRecords(batch)) {
        if (!wanted(key)) continue;
        if (value === null) places.delete(key);
        else places.set(key, { first: places.get(key)?.first ?? offset, last: offset });
      }
    }
    return { places, end };
  }

  async #recordAt(offset: bigint, signal: AbortSignal): Promise<LogRecord> {
    await using records = recordsFrom(this.#log, { from: offset, to: offset + 1n }, signal);
    // Awaited here: otherwise the records would be closed before they are read.
    return await nextAt(records, offset);
  }

  #decode({ value, offset }: LogRecord): DeadLetter {
    return decodeDeadLetter(value ?? Buffer.alloc(0), `offset ${offset} of the topic "${this.#topic.name}"`);
  }

  /** One write after the other: the producer takes one at a time, and a failed one is replaced. */
  async #write(records: readonly KeyedRecord[], signal: AbortSignal): Promise<void> {
    const write = this.#writing.then(() => this.#send(records, signal));
    this.#writing = write.catch(() => {});
    await write;
  }

  async #send(records: readonly KeyedRecord[], signal: AbortSignal): Promise<void> {
    const producer = (this.#producer ??= await this.#newProducer(signal));
    this.#producer = undefined;
    for (const batch of await packKeyed(this.#topic, records, this.#pack)) {
      const [refused] = (await producer.send([batch], signal)).values();
      if (refused !== undefined) throw refused;
      batch.release();
    }
    this.#producer = producer;
  }

  async #newProducer(signal: AbortSignal): Promise<BatchProducer> {
    const identity = await newProducerIdentity(this.#client, signal);
    return new BatchProducer(this.#client, this.#topics, { identity, transactionalId: null });
  }
}

async function* recordsFrom(
  log: LogReader,
  range: { readonly from: bigint; readonly to: bigint },
  signal: AbortSignal,
): AsyncGenerator<LogRecord, void, void> {
  for await (const batch of log.read(range.from, range.to, signal)) yield* dataRecords(batch);
}

async function nextAt(records: AsyncGenerator<LogRecord, void, void>, offset: bigint): Promise<LogRecord> {
  for (;;) {
    const { value, done } = await records.next();
    if (done !== true && value.offset === offset) return value;
    if (done === true || value.offset > offset) throw changedMeanwhile();
  }
}

/** Compaction has removed a record between the two readings, because a newer one has its key. */
function changedMeanwhile(): SluiceError {
  return new SluiceError('the dead letters were changed while they were read', {
    kind: 'transient',
    code: 'dead-letter.changed',
    hint: 'List them again.',
  });
}
