import { setTimeout as delay } from 'node:timers/promises';
import type { OnPositionLost } from '../../core/connector.ts';
import { SluiceError } from '../../core/failure.ts';
import type { Logger } from '../../core/logger.ts';
import type { SourceGap } from '../../core/source.ts';
import type { PartitionFeed, PartitionName } from './partition-feed.ts';
import type { SourceClock } from './source-clock.ts';
import type { StartOffsets } from './start-offsets.ts';
import type { TopicCatalog } from './topic-catalog.ts';

/** What is needed when a partition does not have what comes next. */
export interface LostPositionsOptions {
  readonly starts: StartOffsets;
  readonly catalog: TopicCatalog;
  readonly clock: SourceClock;
  readonly policy: OnPositionLost;
  readonly logger: Logger;
}

const LOOK_MS = 20;

/** Partitions that no longer have what is to be read next: an error, or a gap that is noted. */
export class LostPositions {
  readonly #options: LostPositionsOptions;
  /** Partitions where messages were skipped, with the time before the first of them, in seconds. */
  readonly #open = new Map<PartitionFeed, number>();
  #gap: SourceGap | undefined;

  constructor(options: LostPositionsOptions) {
    this.#options = options;
  }

  /** The last gap that was left behind. */
  get gap(): SourceGap | undefined {
    return this.#gap;
  }

  /**
   * The broker says that it does not have the next offset. Moves the partition to the first message there is, once
   * everything before is acknowledged; throws `kafka.position-lost` where messages must not be skipped.
   */
  async recover(feed: PartitionFeed, signal: AbortSignal): Promise<void> {
    const { starts, catalog, clock, policy, logger } = this.#options;
    await catalog.refresh(signal);
    // The topic was deleted, and perhaps another one of its name created: the group will say so.
    if (catalog.get(feed.name.topicId) === undefined) return;
    const { first, end } = await starts.bounds(feed.name, signal);
    if (first <= feed.nextFetch && feed.nextFetch <= end) {
      // A new leader may only know a moment later how far the partition goes.
      await delay(LOOK_MS, undefined, { signal });
      return;
    }
    const error = positionLost(feed.name, feed.nextFetch, first);
    if (policy !== 'skip') throw error;
    logger.error({ code: error.code, from: feed.nextFetch, to: first }, `${error.message}: skipped`);
    while (feed.isOpen && (feed.hasData || !feed.progress.isDrained)) await delay(LOOK_MS, undefined, { signal });
    if (!feed.isOpen) return;
    this.#open.set(feed, clock.time.t);
    feed.seek(first);
  }

  /** A message of the partition was read: with it a gap ends. */
  readOn(feed: PartitionFeed, timestampMs: number): void {
    const from = this.#open.get(feed);
    if (from === undefined) return;
    this.#open.delete(feed);
    this.#gap = { from: { t: from, i: 0 }, to: { t: Math.floor(timestampMs / 1000), i: 0 }, atMs: Date.now() };
  }
}

/** The partition no longer has (or never had) the offset that is to be read next. */
function positionLost({ topic, partition }: PartitionName, offset: number, first: number): SluiceError {
  const where = `partition ${partition} of the topic "${topic}"`;
  const what =
    offset < first
      ? `messages ${offset} to ${first - 1} were deleted before they were read`
      : `the log ends before message ${offset}, which is to be read next`;
  return new SluiceError(`${where}: ${what}`, {
    kind: 'position-lost',
    code: 'kafka.position-lost',
    hint:
      'Set `onPositionLost: skip` to go on with the first message there is, or reset the offsets of the group ' +
      '(kafka-consumer-groups.sh --reset-offsets). Then keep messages for longer (`retention.ms` of the topic).',
  });
}
