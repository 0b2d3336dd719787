import type { ConnectorContext } from '../../core/connector.ts';
import type { DeadLetter, DeadLetterStore } from '../../core/dead-letter.ts';
import { SluiceError } from '../../core/failure.ts';
import { BatchProducer, newProducerIdentity } from './batch-producer.ts';
import { BufferPool } from './buffer-pool.ts';
import { KafkaClient } from './client.ts';
import { dataRecords, type LogRecord } from './committed-records.ts';
import { codecFor } from './compression.ts';
import type { KafkaDeadLetterConfig } from './config.ts';
import { DeadLetterIndex } from './dead-letter-index.ts';
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

/**
 * Dead letters in a compacted topic: one record per entry, keyed by pipeline and event id; a tombstone removes it. An
 * entry that is put again keeps its place in the list.
 */
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

class KafkaDeadLetters implements DeadLetterStore {
  readonly #client: KafkaClient;
  readonly #topics: TopicRegistry;
  readonly #topic: TopicInfo;
  readonly #log: LogReader;
  readonly #pack = { codec: codecFor('zstd'), pool: new BufferPool(POOL_LIMIT_BYTES) };
  #producer: BatchProducer | undefined;
  #writing: Promise<unknown> = Promise.resolve();
  /** What is there already of the pipelines that entries were put for. */
  readonly #known = new Map<string, DeadLetterIndex>();

  constructor(client: KafkaClient, topics: TopicRegistry, topic: TopicInfo) {
    this.#client = client;
    this.#topics = topics;
    this.#topic = topic;
    this.#log = new LogReader(client, topic.name);
  }

  async put(letters: readonly DeadLetter[], signal: AbortSignal): Promise<void> {
    const limitBytes = this.#topic.maxMessageBytes - RECORD_OVERHEAD_BYTES;
    await this.#write(async () => {
      const indexes = await this.#indexesFor(letters, signal);
      return letters.map((letter) => {
        const key = deadLetterKey(letter.pipeline, letter.id);
        const sequence = indexes.get(letter.pipeline)?.places.get(key)?.first;
        return { key, value: encodeDeadLetter(letter, { limitBytes, sequence }) };
      });
    }, signal);
  }

  async remove(pipeline: string, ids: readonly string[], signal: AbortSignal): Promise<void> {
    const records = ids.map((id) => ({ key: deadLetterKey(pipeline, id), value: null }));
    await this.#write(async () => records, signal);
  }

  async *list(pipeline: string, signal: AbortSignal): AsyncGenerator<DeadLetter, void, void> {
    const index = this.#indexOf(pipeline);
    const end = await index.readOn(signal);
    const inOrder = [...index.places.values()].sort((a, b) => (a.first < b.first ? -1 : 1));
    // Most entries were written once and come in the order of the log; only changed ones are looked up elsewhere.
    const from = inOrder.find(({ first, last }) => first === last)?.last ?? end;
    await using forward = recordsFrom(this.#log, { from, to: end }, signal);
    for (const { first, last } of inOrder) {
      if (first !== last) yield this.#decode(await this.#recordAt(last, signal));
      else yield this.#decode(await nextAt(forward, last));
    }
  }

  async get(pipeline: string, id: string, signal: AbortSignal): Promise<DeadLetter | undefined> {
    const wanted = deadLetterKey(pipeline, id);
    const index = new DeadLetterIndex(this.#log, (key) => key === wanted);
    await index.readOn(signal);
    const place = index.places.get(wanted);
    return place === undefined ? undefined : this.#decode(await this.#recordAt(place.last, signal));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#client[Symbol.asyncDispose]();
  }

  #indexOf(pipeline: string): DeadLetterIndex {
    const prefix = keyPrefix(pipeline);
    return new DeadLetterIndex(this.#log, (key) => key.startsWith(prefix));
  }

  /** What is there of each pipeline. The whole log is read the first time only, then what has come since. */
  async #indexesFor(
    letters: readonly DeadLetter[],
    signal: AbortSignal,
  ): Promise<ReadonlyMap<string, DeadLetterIndex>> {
    for (const pipeline of new Set(letters.map((letter) => letter.pipeline))) {
      const index = this.#known.get(pipeline) ?? this.#indexOf(pipeline);
      await index.readOn(signal);
      this.#known.set(pipeline, index);
    }
    return this.#known;
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
  async #write(records: () => Promise<readonly KeyedRecord[]>, signal: AbortSignal): Promise<void> {
    const write = this.#writing.then(async () => this.#send(await records(), signal));
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
