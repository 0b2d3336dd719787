import type { BrokerMessage } from '../../core/broker-message.ts';

const MAX_SECONDS = 2 ** 32 - 1;

/** How far the messages of a partition were read, and the latest time among them. */
interface Reading {
  sequence: number;
  seconds: number;
}

interface PartitionTimes {
  /** Everything that was read. */
  readonly all: Reading;
  /** The stretch that is being read again, from where the partition was read anew. */
  readonly again: Reading;
}

/**
 * The seconds that order the messages of a partition: the broker's timestamp of a message, or that of one before it when
 * that is later, since producers set timestamps as they like and clocks step back. A message that is read again never
 * counts as later than one behind it. Remembers what was read since it was made, and nothing from before.
 */
export class MessageTimes {
  readonly #partitions = new Map<string, PartitionTimes>();
  #name = '';
  #last: PartitionTimes | undefined;

  /** Seconds since the epoch. The same when it is asked again for the message that was read last. */
  read(message: Pick<BrokerMessage, 'place' | 'sequence' | 'timestampMs'>): number {
    const own = ownSeconds(message);
    const { all, again } = this.#partition(message.place);
    return follow(message.sequence >= all.sequence ? all : again, message.sequence, own);
  }

  /** Messages of one partition mostly follow each other. */
  #partition(place: string): PartitionTimes {
    const name = place.slice(0, Math.max(0, place.lastIndexOf('@')));
    if (this.#last !== undefined && name === this.#name) return this.#last;
    let partition = this.#partitions.get(name);
    if (partition === undefined) {
      partition = { all: { sequence: -1, seconds: 0 }, again: { sequence: -1, seconds: 0 } };
      this.#partitions.set(name, partition);
    }
    this.#name = name;
    this.#last = partition;
    return partition;
  }
}

/** The broker's timestamp in seconds; 0 for a message that has none. */
export function ownSeconds({ timestampMs }: Pick<BrokerMessage, 'timestampMs'>): number {
  return timestampMs > 0 ? Math.min(Math.floor(timestampMs / 1000), MAX_SECONDS) : 0;
}

function follow(reading: Reading, sequence: number, own: number): number {
  const seconds = sequence < reading.sequence ? own : Math.max(own, reading.seconds);
  reading.sequence = sequence;
  reading.seconds = seconds;
  return seconds;
}
