import type { Logger } from '../../core/logger.ts';
import { errorFacts } from './error-facts.ts';
import type { GroupCoordinator } from './group-coordinator.ts';
import { type GroupMembership, saysMembershipLost } from './group-membership.ts';
import { Nudge } from './nudge.ts';
import { Patience } from './patience.ts';
import { OFFSET_COMMIT, OFFSET_FETCH } from './protocol.ts';

/** One partition by name. */
export interface TopicPartition {
  readonly topic: string;
  readonly partition: number;
}

/** An offset of one partition: that of the next message. */
export interface PartitionOffset extends TopicPartition {
  readonly offset: number;
}

/** What the offsets of a group need. */
export interface GroupOffsetsOptions {
  readonly coordinator: GroupCoordinator;
  readonly membership: GroupMembership;
  readonly instanceId: string | null;
  readonly patienceMs: number;
  readonly logger: Logger;
}

const RETRY_PAUSE_MS = 50;
const NO_LEADER_EPOCH = -1;
const NOTHING_COMMITTED = -1;
const DELETED_TOPIC = ['UNKNOWN_TOPIC_OR_PARTITION', 'UNKNOWN_TOPIC_ID'];

/** The offsets that the group keeps at its coordinator. Only a present member may change them. */
export class GroupOffsets {
  readonly #options: GroupOffsetsOptions;

  constructor(options: GroupOffsetsOptions) {
    this.#options = options;
  }

  /** The committed offset of each partition; undefined where there is none. Throws classified errors. */
  async committed(
    partitions: readonly TopicPartition[],
    signal: AbortSignal,
  ): Promise<readonly (number | undefined)[]> {
    const { coordinator, membership } = this.#options;
    const topics = grouped(partitions).map(([name, entries]) => ({
      name,
      partitionIndexes: entries.map(({ partition }) => partition),
    }));
    const response = await this.#patiently(signal, () =>
      coordinator.ask(signal, (link) =>
        link
          .api(OFFSET_FETCH, '4.0')
          .async(link.connection, [{ groupId: coordinator.group, ...membership.identity, topics }], true),
      ),
    );
    const found = new Map<string, number>();
    for (const { name, partitions: entries } of response.groups[0]?.topics ?? []) {
      for (const { partitionIndex, committedOffset } of entries) {
        if (committedOffset > NOTHING_COMMITTED) found.set(`${name}/${partitionIndex}`, Number(committedOffset));
      }
    }
    return partitions.map(({ topic, partition }) => found.get(`${topic}/${partition}`));
  }

  /** Makes the offsets durable. Throws classified errors; `kafka.membership-lost` when they are not ours to change. */
  async commit(offsets: readonly PartitionOffset[], signal: AbortSignal): Promise<void> {
    if (offsets.length === 0) return;
    const { coordinator, membership, instanceId, logger } = this.#options;
    const topics = grouped(offsets).map(([name, entries]) => ({
      name,
      partitions: entries.map(({ partition, offset }) => ({
        partitionIndex: partition,
        committedOffset: BigInt(offset),
        committedLeaderEpoch: NO_LEADER_EPOCH,
        committedMetadata: '',
      })),
    }));
    try {
      await this.#patiently(signal, () =>
        coordinator.ask(signal, (link) => {
          const { memberId, memberEpoch } = membership.identity;
          return link
            .api(OFFSET_COMMIT, '4.0')
            .async(link.connection, coordinator.group, memberEpoch, memberId, instanceId, topics);
        }),
      );
    } catch (error) {
      const { protocolErrors } = errorFacts(error);
      const onlyDeleted = protocolErrors.length > 0 && protocolErrors.every((name) => DELETED_TOPIC.includes(name));
      if (!onlyDeleted) throw error;
      logger.warn({ group: coordinator.group }, 'the offsets of a deleted topic were not committed');
    }
  }

  /** Tries again while the group moves on or the coordinator cannot be reached. */
  async #patiently<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    const patience = new Patience(this.#options.patienceMs);
    for (;;) {
      try {
        return await work();
      } catch (error) {
        signal.throwIfAborted();
        if (saysMembershipLost(error) || isDeleted(error)) {
          this.#options.membership.poke();
          throw error;
        }
        patience.lose(error);
        // The epoch has changed: the next heartbeat brings the new one.
        this.#options.membership.poke();
      }
      await new Nudge().wait(RETRY_PAUSE_MS, signal);
      signal.throwIfAborted();
    }
  }
}

function isDeleted(error: unknown): boolean {
  return errorFacts(error).protocolErrors.some((name) => DELETED_TOPIC.includes(name));
}

function grouped<T extends TopicPartition>(partitions: readonly T[]): readonly (readonly [string, readonly T[]])[] {
  return [...Map.groupBy(partitions, ({ topic }) => topic)];
}
