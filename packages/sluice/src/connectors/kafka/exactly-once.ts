import { setTimeout as delay } from 'node:timers/promises';
import { type Checkpoint, type Claim, encodeCheckpoint, type PartitionId } from '../../core/checkpoint.ts';
import { SluiceError } from '../../core/failure.ts';
import { comparePositions, type Position } from '../../core/position.ts';
import type { PartOffset } from '../../core/source.ts';
import type { PackOptions } from './batch-packer.ts';
import type { OutgoingBatch } from './batch-producer.ts';
import { claimKey, encodeClaim, readCheckpoint, type StoredCheckpoint, UNDECIDED } from './checkpoint-reader.ts';
import type { KafkaClient } from './client.ts';
import type { Delivery, DeliveryWrite } from './delivery.ts';
import { LogReader } from './log-reader.ts';
import type { PackedBatch } from './open-batch.ts';
import { type KeyedRecord, packKeyed } from './own-records.ts';
import { type SendOptions, sendInRounds } from './send-rounds.ts';
import type { TopicInfo, TopicRegistry } from './topics.ts';
import { type TransactionalOptions, TransactionalProducer } from './transactional-producer.ts';

/** What exactly-once delivery is made of. */
export interface ExactlyOnceParts {
  readonly client: KafkaClient;
  readonly topics: TopicRegistry;
  readonly checkpointTopic: TopicInfo;
  readonly transaction: (partition: PartitionId) => TransactionalOptions;
  readonly pack: Pick<PackOptions, 'codec' | 'pool'>;
}

const ABANDON_LIMIT_MS = 2000;
/** A take-over is committed within milliseconds; its readers see it a little later. */
const DECIDED_LIMIT_MS = 5000;
const DECIDED_PAUSE_MS = 10;

/**
 * Delivery in transactions: each one holds a batch of events and the checkpoint behind them, so that both become
 * visible or neither. `claim` takes the transactional id over, which fences the last owner and decides its last
 * transaction, and only then reads the position. A write resolves when its commit is durable; readers see it a few ms
 * later, when the broker has written the markers into the logs.
 */
export class ExactlyOnce implements Delivery {
  /** See `CheckpointStore`; a partition has to be claimed before anything is written. */
  readonly checkpoints = {
    claim: (partition: PartitionId, signal: AbortSignal) => this.#take(partition, signal),
    save: (checkpoint: Checkpoint, signal: AbortSignal) => this.#save(checkpoint, signal),
  };
  readonly #parts: ExactlyOnceParts;
  readonly #log: LogReader;
  #producer: TransactionalProducer | undefined;
  #claim: { readonly partition: PartitionId; readonly epoch: number } | undefined;
  #written: readonly PartOffset[] = [];
  /** What this owner has stored last. */
  #stored: Position | undefined;

  constructor(parts: ExactlyOnceParts) {
    this.#parts = parts;
    this.#log = new LogReader(parts.client, parts.checkpointTopic.name);
  }

  async #take(partition: PartitionId, signal: AbortSignal): Promise<Claim> {
    const { client, topics, transaction } = this.#parts;
    this.#producer = await TransactionalProducer.claim(client, topics, { ...transaction(partition), signal });
    const stored = await readCheckpoint(this.#log, partition, signal);
    const epoch = stored.epoch + 1;
    await this.#transact([], { record: { key: claimKey(partition), value: encodeClaim(partition, epoch) }, signal });
    this.#claim = { partition, epoch };
    this.#stored = undefined;
    return { epoch, checkpoint: stored.checkpoint };
  }

  /** Stores a position without data, unless this owner has stored one at or beyond it. */
  async #save(checkpoint: Checkpoint, signal: AbortSignal): Promise<void> {
    this.#own(checkpoint);
    if (this.#stored !== undefined && comparePositions(checkpoint.position, this.#stored) <= 0) return;
    await this.#transact([], { record: recordOf(checkpoint), signal });
    this.#stored = checkpoint.position;
  }

  async deliver(batches: readonly PackedBatch[], write: DeliveryWrite): Promise<void> {
    const { checkpoint, signal } = write.context;
    this.#own(checkpoint);
    await this.#transact(batches, { record: recordOf(checkpoint), signal, write });
    this.#stored = checkpoint.position;
  }

  /** Without those of the checkpoints. */
  offsets(): readonly PartOffset[] {
    const own = `${this.#parts.checkpointTopic.name}/0`;
    return this.#written.filter(({ part }) => part !== own);
  }

  /** Ends an open transaction, so that readers do not wait for its time-out. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#producer?.abandon(AbortSignal.timeout(ABANDON_LIMIT_MS));
  }

  async #transact(
    batches: readonly PackedBatch[],
    options: { record: KeyedRecord; signal: AbortSignal; write?: DeliveryWrite },
  ): Promise<void> {
    const { record, signal, write } = options;
    const producer = this.#claimed();
    const [own] = await packKeyed(this.#parts.checkpointTopic, [record], this.#parts.pack);
    if (own === undefined) throw new Error('a record makes a batch');
    try {
      await producer.begin([own, ...batches], signal);
      const send: SendOptions = { producer: producer.batches, repack: write?.repack ?? noRepack, first: own, signal };
      const rejections = await sendInRounds(batches, send);
      if (rejections.length > 0) await write?.rejected(rejections);
      await producer.commit(signal);
      this.#written = producer.batches.written;
    } catch (error) {
      throw await this.#explain(error, own, signal);
    }
    own.release();
  }

  /**
   * The broker fences a producer both when another one took over and when its transaction ran out of time. Who took
   * over has said so in the checkpoint topic; without such a record the partition is still ours to claim again.
   */
  async #explain(error: unknown, own: OutgoingBatch, signal: AbortSignal): Promise<unknown> {
    if (!(error instanceof SluiceError)) return error;
    if (error.kind === 'rejected') return checkpointTooLarge(own, error);
    if (error.kind !== 'fenced' || this.#claim === undefined) return error;
    const { partition, epoch } = this.#claim;
    const stored = await this.#decided(partition, signal);
    if (stored === undefined || stored.epoch > epoch) return error;
    return new SluiceError('the broker has ended a transaction that was open for too long', {
      kind: 'transient',
      code: 'kafka.transaction-expired',
      hint: 'If this happens again, raise `transactionTimeout` or lower `batchRecords`.',
      cause: error,
    });
  }

  /**
   * What the checkpoint topic says once no transaction is open over it: the take-over that fenced us may just be on its
   * way. Undefined when that does not end in time; then somebody else is at work.
   */
  async #decided(partition: PartitionId, signal: AbortSignal): Promise<StoredCheckpoint | undefined> {
    for (const deadline = performance.now() + DECIDED_LIMIT_MS; ; ) {
      try {
        return await readCheckpoint(this.#log, partition, signal);
      } catch (error) {
        if (!(error instanceof SluiceError) || error.code !== UNDECIDED) throw error;
        if (performance.now() > deadline) return undefined;
        await delay(DECIDED_PAUSE_MS, undefined, { signal });
      }
    }
  }

  #claimed(): TransactionalProducer {
    if (this.#producer === undefined) throw new Error('nothing can be written before `claim`');
    return this.#producer;
  }

  #own({ partition, epoch }: Checkpoint): void {
    this.#claimed();
    if (this.#claim?.partition === partition && this.#claim.epoch === epoch) return;
    throw new SluiceError(`epoch ${epoch} of "${partition}" is not the one that was claimed`, {
      kind: 'fenced',
      code: 'kafka.fenced',
    });
  }
}

function recordOf(checkpoint: Checkpoint): KeyedRecord {
  return { key: checkpoint.partition, value: encodeCheckpoint(checkpoint) };
}

const noRepack = () => Promise.resolve([]);

function checkpointTooLarge(own: OutgoingBatch, cause: SluiceError): SluiceError {
  return new SluiceError(`a checkpoint of ${own.bytes.length} bytes is refused by the topic "${own.topic}"`, {
    kind: 'config',
    code: 'kafka.checkpoint-refused',
    hint: 'Raise `max.message.bytes` of the checkpoint topic: a resume token holds the key of the document.',
    cause,
  });
}
