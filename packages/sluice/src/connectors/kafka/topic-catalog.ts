import { abortable } from './abortable.ts';
import type { KafkaClient } from './client.ts';
import { METADATA } from './protocol.ts';
import type { TopicSelection } from './topic-pattern.ts';

/** A topic of the selection as the cluster describes it. */
export interface SelectedTopic {
  readonly id: string;
  readonly name: string;
  /** Node id of the leader by partition; -1 for none. */
  readonly leaders: readonly number[];
}

const NO_LEADER = -1;

/** The topics of the cluster that are meant by a selection, as of the last look. */
export class TopicCatalog {
  readonly #client: KafkaClient;
  readonly #selection: TopicSelection;
  #byId: ReadonlyMap<string, SelectedTopic> = new Map();
  #refreshing: Promise<void> | undefined;

  constructor(client: KafkaClient, selection: TopicSelection) {
    this.#client = client;
    this.#selection = selection;
  }

  /** The topics that exist, in no order. */
  get topics(): readonly SelectedTopic[] {
    return [...this.#byId.values()];
  }

  /** Names to subscribe to: those that are named, existing or not, and those that match a pattern. */
  get subscription(): readonly string[] {
    return [...new Set([...this.#selection.named, ...this.topics.map(({ name }) => name)])].sort();
  }

  /** Topics that are named and do not exist. */
  get missing(): readonly string[] {
    const names = new Set(this.topics.map(({ name }) => name));
    return this.#selection.named.filter((name) => !names.has(name));
  }

  get(topicId: string): SelectedTopic | undefined {
    return this.#byId.get(topicId);
  }

  /** Node id of the leader of a partition; undefined when it has none, or nobody knows. */
  leader(topicId: string, partition: number): number | undefined {
    const leader = this.#byId.get(topicId)?.leaders[partition] ?? NO_LEADER;
    return leader === NO_LEADER ? undefined : leader;
  }

  /** Looks again; callers at the same time share one look. Throws classified errors. */
  async refresh(signal: AbortSignal): Promise<void> {
    this.#refreshing ??= this.#look().finally(() => {
      this.#refreshing = undefined;
    });
    const look = this.#refreshing;
    await this.#client.run('consume', signal, () => abortable(look, signal));
  }

  async #look(): Promise<void> {
    const link = await this.#client.connectToAny();
    // Null asks for all topics.
    const wanted = this.#selection.hasPatterns ? null : [...this.#selection.named];
    const response = await kept(link.api(METADATA).async(link.connection, wanted as string[], false, false));
    const topics = new Map<string, SelectedTopic>();
    for (const { name, topicId, errorCode, partitions } of response.topics) {
      // Versions of brokers that cannot be used anyway have no ids.
      if (errorCode !== 0 || !name || topicId === undefined || !this.#selection.matches(name)) continue;
      const leaders = Array.from({ length: partitions.length }, () => NO_LEADER);
      for (const { partitionIndex, leaderId } of partitions) leaders[partitionIndex] = leaderId;
      topics.set(topicId, { id: topicId, name, leaders });
    }
    this.#byId = topics;
  }
}

/** A response with errors in it is thrown by the library as an error that holds the response. */
async function kept<T>(request: Promise<T>): Promise<T> {
  try {
    return await request;
  } catch (error) {
    const response = (error as { response?: T }).response;
    if (response === undefined) throw error;
    return response;
  }
}
