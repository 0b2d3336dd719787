import { type API, createAPI, fetchV12, type Reader } from '@platformatic/kafka';
import { ByteReader } from './byte-reader.ts';

/** A transaction that was aborted, in the stretch of the log that an answer holds. */
export interface AbortedTransaction {
  readonly producerId: bigint;
  readonly firstOffset: number;
}

/** What a broker answers for one partition. */
export interface FetchedSection {
  readonly topic: string;
  readonly partition: number;
  /** Kafka's error code; 0 when everything is fine. */
  readonly errorCode: number;
  /** The next offset to be written. */
  readonly highWatermark: number;
  /** The log can be read up to here (without it): no transaction that began before is open. */
  readonly stableOffset: number;
  readonly abortedTransactions: readonly AbortedTransaction[];
  /** Record batches as they are on the broker's disk; the last one may be cut off. */
  readonly bytes: Buffer;
}

/** An answer to a fetch. */
export interface FetchAnswer {
  readonly errorCode: number;
  readonly sections: readonly FetchedSection[];
}

const FETCH_KEY = 1;
/** The last version that names topics; from 13 on it is their ids. */
const FETCH_VERSION = 12;

/**
 * Fetch requests whose answers are not unpacked: the library would do that at once for everything, with its own cursor
 * over a chain of network chunks, and throw a whole answer away when one partition has an error.
 */
export const RAW_FETCH: readonly API<fetchV12.FetchRequest, FetchAnswer>[] = [
  createAPI<fetchV12.FetchRequest, FetchAnswer>(FETCH_KEY, FETCH_VERSION, fetchV12.createRequest, parseAnswer),
];

function parseAnswer(_correlationId: number, _apiKey: number, _apiVersion: number, library: Reader): FetchAnswer {
  const bytes = new ByteReader(library.buffer.slice(library.position));
  bytes.skip(4); // Throttle time.
  const errorCode = bytes.int16();
  bytes.skip(4); // Session.
  const sections: FetchedSection[] = [];
  for (let topics = bytes.compactLength(); topics > 0; topics--) {
    const topic = bytes.compactBytes()?.toString() ?? '';
    for (let partitions = bytes.compactLength(); partitions > 0; partitions--)
      sections.push(parseSection(bytes, topic));
    bytes.skipTags();
  }
  return { errorCode, sections };
}

function parseSection(bytes: ByteReader, topic: string): FetchedSection {
  const partition = bytes.int32();
  const errorCode = bytes.int16();
  const highWatermark = bytes.int64();
  const stableOffset = bytes.int64();
  bytes.skip(8); // Start of the log.
  const abortedTransactions: AbortedTransaction[] = [];
  for (let aborted = bytes.compactLength(); aborted > 0; aborted--) {
    abortedTransactions.push({ producerId: bytes.bigint64(), firstOffset: bytes.int64() });
    bytes.skipTags();
  }
  bytes.skip(4); // Preferred replica.
  const records = bytes.compactBytes() ?? Buffer.alloc(0);
  bytes.skipTags();
  return { topic, partition, errorCode, highWatermark, stableOffset, abortedTransactions, bytes: records };
}
