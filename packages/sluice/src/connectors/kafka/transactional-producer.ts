import type { PartitionId } from '../../core/checkpoint.ts';
import { SluiceError } from '../../core/failure.ts';
import { BatchProducer, type OutgoingBatch, type ProducerIdentity } from './batch-producer.ts';
import type { BrokerLink } from './broker-link.ts';
import type { KafkaPhase } from './classify.ts';
import type { KafkaClient } from './client.ts';
import {
  ADD_PARTITIONS,
  END_TRANSACTION,
  FIND_COORDINATOR,
  INIT_PRODUCER_ID,
  TRANSACTION_COORDINATOR,
} from './protocol.ts';
import { retryWhileComing } from './retry-coming.ts';
import type { TopicRegistry } from './topics.ts';

/** How a transactional id is taken over. */
export interface TransactionalOptions {
  readonly transactionalId: string;
  /** After this time the coordinator aborts a transaction that nobody ends. */
  readonly transactionTimeoutMs: number;
}

/**
 * The transactional id of a partition of a pipeline: `<prefix>-<pipeline>-<partition>`. Whoever initialises it last
 * owns the partition.
 */
export function transactionalIdOf(prefix: string, partition: PartitionId): string {
  return `${prefix}-${partition.replaceAll('/', '-')}`;
}

/** The producer that holds a transactional id. One transaction at a time; after an error only `abandon` is allowed. */
export class TransactionalProducer {
  readonly batches: BatchProducer;
  readonly #identity: ProducerIdentity;
  readonly #coordinator: Coordinator;
  readonly #transactionalId: string;
  #state: 'idle' | 'open' | 'ending' = 'idle';

  private constructor(client: KafkaClient, topics: TopicRegistry, parts: ProducerParts) {
    const { coordinator, identity, transactionalId } = parts;
    this.batches = new BatchProducer(client, topics, { identity, transactionalId });
    this.#identity = identity;
    this.#coordinator = coordinator;
    this.#transactionalId = transactionalId;
  }

  /**
   * Takes the transactional id over. When it resolves, every older producer with this id is fenced and its last
   * transaction is decided, with its markers in the logs.
   */
  static async claim(
    client: KafkaClient,
    topics: TopicRegistry,
    options: TransactionalOptions & { readonly signal: AbortSignal },
  ): Promise<TransactionalProducer> {
    const { transactionalId, transactionTimeoutMs, signal } = options;
    const coordinator = new Coordinator(client, transactionalId);
    const identity = await coordinator.ask('claim', signal, (link) =>
      link.api(INIT_PRODUCER_ID).async(link.connection, transactionalId, transactionTimeoutMs),
    );
    return new TransactionalProducer(client, topics, { coordinator, identity, transactionalId });
  }

  /** Begins a transaction over the partitions of these batches. */
  async begin(batches: readonly OutgoingBatch[], signal: AbortSignal): Promise<void> {
    this.#expect('idle');
    this.#state = 'open';
    const topics = [...Map.groupBy(batches, ({ topic }) => topic)].map(([name, parts]) => ({
      name,
      partitions: [...new Set(parts.map(({ partition }) => partition))],
    }));
    const { producerId, producerEpoch } = this.#identity;
    const transaction = {
      transactionalId: this.#transactionalId,
      producerId,
      producerEpoch,
      topics,
      verifyOnly: false,
    };
    await this.#coordinator.ask('transaction', signal, (link) =>
      link.api(ADD_PARTITIONS).async(link.connection, [transaction]),
    );
  }

  /**
   * Commits. When the connection is lost meanwhile the outcome is unknown (`kafka.commit-unknown`): asking again on a
   * new connection could end a later transaction, so only the next claim finds out.
   */
  async commit(signal: AbortSignal): Promise<void> {
    this.#expect('open');
    this.#state = 'ending';
    await this.#end(true, 'commit', signal);
    this.#state = 'idle';
  }

  /** Aborts a transaction that was left open, so that readers need not wait for its time-out. Never throws. */
  async abandon(signal: AbortSignal): Promise<void> {
    if (this.#state !== 'open') return;
    this.#state = 'ending';
    try {
      await this.#end(false, 'transaction', signal);
    } catch {
      // The next claim, or the time-out of the transaction, aborts it as well.
    }
  }

  async #end(commit: boolean, phase: KafkaPhase, signal: AbortSignal): Promise<void> {
    const { producerId, producerEpoch } = this.#identity;
    await this.#coordinator.ask(phase, signal, (link) =>
      link.api(END_TRANSACTION).async(link.connection, this.#transactionalId, producerId, producerEpoch, commit),
    );
  }

  #expect(state: 'idle' | 'open'): void {
    if (this.#state !== state) throw new Error(`the transaction is ${this.#state}, not ${state}`);
  }
}

interface ProducerParts {
  readonly coordinator: Coordinator;
  readonly identity: ProducerIdentity;
  readonly transactionalId: string;
}

/** The broker that coordinates the transactions of one transactional id. */
class Coordinator {
  readonly #client: KafkaClient;
  readonly #transactionalId: string;
  #nodeId: number | undefined;

  constructor(client: KafkaClient, transactionalId: string) {
    this.#client = client;
    this.#transactionalId = transactionalId;
  }

  /** Sends a request to the coordinator, again while it answers that it is not ready, for one request time-out. */
  async ask<T>(phase: KafkaPhase, signal: AbortSignal, request: (link: BrokerLink) => Promise<T>): Promise<T> {
    const attempt = async () => {
      const link = await this.#client.run(phase, signal, () => this.#connect());
      return this.#client.run(phase, signal, () => request(link));
    };
    return retryWhileComing(attempt, {
      limitMs: this.#client.requestTimeoutMs,
      signal,
      onRetry: (protocolError) => {
        if (protocolError !== 'CONCURRENT_TRANSACTIONS') this.#nodeId = undefined;
      },
    });
  }

  async #connect(): Promise<BrokerLink> {
    this.#nodeId ??= await this.#find();
    return this.#client.connectTo(this.#nodeId);
  }

  async #find(): Promise<number> {
    const link = await this.#client.connectToAny();
    const ids = [this.#transactionalId];
    const response = await link.api(FIND_COORDINATOR).async(link.connection, TRANSACTION_COORDINATOR, ids);
    // Before version 4 there is exactly one coordinator in the answer, without the key it was asked for.
    const [found] = response.coordinators;
    if (found !== undefined) return found.nodeId;
    throw new SluiceError('the brokers named no transaction coordinator', {
      kind: 'transient',
      code: 'kafka.not-available',
    });
  }
}
