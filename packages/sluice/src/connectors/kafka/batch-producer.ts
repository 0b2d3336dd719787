import { setTimeout as delay } from 'node:timers/promises';
import { ProtocolError } from '@platformatic/kafka';
import type { SluiceError } from '../../core/failure.ts';
import type { PartOffset } from '../../core/source.ts';
import { classifyKafkaError, failureOf, type KafkaPhase } from './classify.ts';
import type { KafkaClient } from './client.ts';
import { errorFacts } from './error-facts.ts';
import { INIT_PRODUCER_ID, PRODUCE, type ProducePartition, type ProduceResponse } from './protocol.ts';
import { sealBatch } from './record-batch.ts';
import { retryWhileComing } from './retry-coming.ts';
import type { TopicRegistry } from './topics.ts';

/** Records for one partition, encoded and compressed. */
export interface OutgoingBatch {
  readonly topic: string;
  readonly partition: number;
  /** The batch with its header; who writes it is filled in when it is sent. */
  readonly bytes: Buffer;
  readonly count: number;
}

/** Who writes, as Kafka knows it. */
export interface ProducerIdentity {
  readonly producerId: bigint;
  readonly producerEpoch: number;
}

const SEQUENCES = 2 ** 31;
const NO_LEADER = -1;

/**
 * Retries of one batch, after which the supervisor takes over. The batch keeps its sequence number, so a retry neither
 * duplicates nor reorders; the delays cover an election of a partition leader.
 */
const RETRY_DELAYS_MS = [20, 50, 100, 200, 400, 800, 1600];

/**
 * Sends batches with sequence numbers (idempotent, acknowledged by all replicas in sync). The caller sends one round
 * after the other and at most one batch per partition in a round: that keeps the order, whatever has to be repeated.
 * After an error it must not be used again, because the sequence numbers may have a gap.
 */
export class BatchProducer {
  readonly #client: KafkaClient;
  readonly #topics: TopicRegistry;
  readonly #identity: ProducerIdentity;
  readonly #transactionalId: string | null;
  readonly #phase: KafkaPhase;
  readonly #sequences = new Map<string, number>();
  readonly #written = new Map<string, PartOffset>();

  constructor(
    client: KafkaClient,
    topics: TopicRegistry,
    options: { identity: ProducerIdentity; transactionalId: string | null },
  ) {
    this.#client = client;
    this.#topics = topics;
    this.#identity = options.identity;
    this.#transactionalId = options.transactionalId;
    this.#phase = options.transactionalId === null ? 'produce' : 'transaction';
  }

  /**
   * Durable when it resolves, except for the batches that the brokers refuse for what is in them: they are returned
   * with the reason (kind `rejected`) and have left no trace. Throws classified errors.
   */
  async send(batches: readonly OutgoingBatch[], signal: AbortSignal): Promise<Map<OutgoingBatch, SluiceError>> {
    const refused = new Map<OutgoingBatch, SluiceError>();
    for (const batch of batches) this.#seal(batch);
    let pending = batches;
    const deadline = performance.now() + this.#client.requestTimeoutMs;
    for (let attempt = 0; pending.length > 0; attempt++) {
      const failures = await this.#try(pending, signal);
      const again: OutgoingBatch[] = [];
      for (const [batch, error] of failures) {
        // A first try had arrived although its answer did not: then the batch is in the log.
        if (attempt > 0 && isDuplicate(error)) continue;
        if (error.kind === 'rejected') refused.set(batch, error);
        else if (!isPassing(error) || attempt >= RETRY_DELAYS_MS.length || performance.now() > deadline) throw error;
        else again.push(batch);
      }
      pending = again;
      if (pending.length > 0) await this.#beforeRetry(attempt, signal);
    }
    for (const batch of batches) if (!refused.has(batch)) this.#advance(batch);
    return refused;
  }

  /** Behind the last acknowledged record of each partition. A record that was there already does not say where. */
  get written(): readonly PartOffset[] {
    return [...this.#written.values()];
  }

  #seal(batch: OutgoingBatch): void {
    sealBatch(batch.bytes, {
      ...this.#identity,
      firstSequence: this.#sequences.get(keyOf(batch)) ?? 0,
      transactional: this.#transactionalId !== null,
    });
  }

  /** Sequence numbers are positive 32-bit numbers that start again at 0. */
  #advance(batch: OutgoingBatch): void {
    const key = keyOf(batch);
    this.#sequences.set(key, ((this.#sequences.get(key) ?? 0) + batch.count) % SEQUENCES);
  }

  /** One request to each leader; the failures by batch. */
  async #try(batches: readonly OutgoingBatch[], signal: AbortSignal): Promise<Map<OutgoingBatch, SluiceError>> {
    const failures = new Map<OutgoingBatch, SluiceError>();
    const byLeader = Map.groupBy(batches, ({ topic, partition }) => this.#topics.leader(topic, partition));
    await Promise.all(
      [...byLeader].map(async ([leader, parts]) => {
        try {
          if (leader === NO_LEADER) throw new ProtocolError('LEADER_NOT_AVAILABLE');
          const response = await this.#client.run(this.#phase, signal, () => this.#request(leader, parts));
          for (const [batch, error] of this.#judge(parts, response)) failures.set(batch, error);
        } catch (error) {
          const failure = failureOf(error, this.#phase, signal);
          // An abort comes out as it is; it ends the whole round.
          if (failure === error && signal.aborted) throw error;
          for (const batch of parts) failures.set(batch, failure as SluiceError);
        }
      }),
    );
    return failures;
  }

  async #request(leader: number, batches: readonly OutgoingBatch[]): Promise<ProduceResponse> {
    const link = await this.#client.connectTo(leader);
    const partitions = batches.map(
      ({ topic, partition, bytes }): ProducePartition => ({ topic, partition, batch: bytes }),
    );
    return link
      .api(PRODUCE)
      .async(link.connection, { transactionalId: this.#transactionalId, timeoutMs: this.#replicaLimitMs, partitions });
  }

  /** Brokers give up on their replicas before the request itself runs out of time here. */
  get #replicaLimitMs(): number {
    return Math.floor(this.#client.requestTimeoutMs * 0.8);
  }

  *#judge(batches: readonly OutgoingBatch[], response: ProduceResponse): Generator<[OutgoingBatch, SluiceError]> {
    const answers = new Map(
      response.responses.flatMap(({ name, partitionResponses }) =>
        partitionResponses.map((answer) => [`${name}:${answer.index}`, answer] as const),
      ),
    );
    for (const batch of batches) {
      const answer = answers.get(keyOf(batch));
      if (answer?.errorCode === 0) {
        const part = `${batch.topic}/${batch.partition}`;
        this.#written.set(part, { part, offset: Number(answer.baseOffset) + batch.count, end: undefined });
        continue;
      }
      const cause = new ProtocolError(answer?.errorCode ?? 'UNKNOWN_SERVER_ERROR', answer?.errorMessage ?? null);
      yield [batch, classifyKafkaError(cause, this.#phase)];
    }
  }

  async #beforeRetry(attempt: number, signal: AbortSignal): Promise<void> {
    await delay(RETRY_DELAYS_MS[attempt] ?? 0, undefined, { signal });
    try {
      await this.#topics.refresh(signal);
    } catch (error) {
      // Not reachable yet; the next try will say so if it stays like that.
      if (signal.aborted) throw error;
    }
  }
}

/** A producer id of its own for a writer without transactions. A broker that has just started has none for a moment. */
export async function newProducerIdentity(client: KafkaClient, signal: AbortSignal): Promise<ProducerIdentity> {
  const ask = () =>
    client.run('produce', signal, async () => {
      const link = await client.connectToAny();
      return link.api(INIT_PRODUCER_ID).async(link.connection, null, 0);
    });
  return retryWhileComing(ask, { limitMs: client.requestTimeoutMs, signal });
}

const PASSING = new Set([
  'kafka.not-available',
  'kafka.not-enough-replicas',
  'kafka.unreachable',
  'kafka.timeout',
  'kafka.topic-gone',
  'kafka.storage',
]);

function isPassing(error: SluiceError): boolean {
  return error.kind === 'transient' && PASSING.has(error.code);
}

function isDuplicate(error: SluiceError): boolean {
  return errorFacts(error).protocolErrors.includes('DUPLICATE_SEQUENCE_NUMBER');
}

function keyOf({ topic, partition }: OutgoingBatch): `${string}:${number}` {
  return `${topic}:${partition}`;
}
