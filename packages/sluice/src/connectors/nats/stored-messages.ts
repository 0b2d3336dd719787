import { DeliverPolicy } from '@nats-io/jetstream';
import { clusterTimeOfToken } from '../../bson/resume-token.ts';
import type { ClusterTime } from '../../core/cluster-time.ts';
import type { Position } from '../../core/position.ts';
import type { NatsClient } from './client.ts';
import { NatsHeader } from './message-headers.ts';
import type { StreamFacts } from './stream-setup.ts';

/** Messages that are fetched ahead: only their headers. */
const AHEAD = 5000;
/** The first piece that is looked at from the end of the stream; each further one is twice as long. */
const FIRST_PIECE = 2000;
/** So far back is looked for events that are stored already. */
const FARTHEST_BACK = 500_000;
/** Start of a resume token. */
const TOKEN = /^82[0-9A-F]{16}/;

/** Which messages of a stream to look at; both ends are included. */
export interface StoredRange {
  readonly client: NatsClient;
  readonly stream: Pick<StreamFacts, 'name' | 'retention'>;
  readonly from: number;
  /** There must be a message here or later. */
  readonly to: number;
  readonly signal: AbortSignal;
}

/** What is known of a stored message of this pipeline. */
interface StoredMessage {
  readonly messageId: string;
  /** Cluster time of its event; undefined when nothing in the message tells it. */
  readonly clusterTime: ClusterTime | undefined;
}

/** How to know messages of this pipeline. */
export interface MessageMarks {
  readonly messageIdPrefix: string;
  /** Name of the header with the cluster time. */
  readonly timeHeader: string;
}

/** The message ids of this pipeline in a range of the stream. */
export async function storedIds(range: StoredRange, marks: MessageMarks): Promise<Set<string>> {
  const ids = new Set<string>();
  for await (const { messageId } of storedMessages(range, marks)) ids.add(messageId);
  return ids;
}

/**
 * The message ids of this pipeline from `first` on, looked for backwards from `range.to`: messages are stored in the
 * order of the change stream, so the search ends at a piece with older events (with nothing but older ones, where the
 * ids have no prefix). It also ends half a million messages back; repetitions beyond that are left to the duplicate
 * window of the stream.
 */
export async function storedIdsSince(
  { clusterTime: first }: Position,
  range: StoredRange,
  marks: MessageMarks,
): Promise<Set<string>> {
  const ids = new Set<string>();
  const oldest = Math.max(range.from, range.to - FARTHEST_BACK + 1);
  let size = FIRST_PIECE;
  for (let to = range.to; to >= oldest; size *= 2) {
    const from = Math.max(oldest, to - size + 1);
    let [older, others] = [0, 0];
    for await (const { messageId, clusterTime } of storedMessages({ ...range, from, to }, marks)) {
      if (clusterTime !== undefined && isBefore(clusterTime, first)) older += 1;
      else {
        ids.add(messageId);
        others += 1;
      }
    }
    // Without a prefix the ids of several pipelines look the same, and the order is only that of each one.
    if (older > 0 && (others === 0 || marks.messageIdPrefix !== '')) break;
    to = from - 1;
  }
  return ids;
}

function isBefore(a: ClusterTime, b: ClusterTime): boolean {
  return a.t !== b.t ? a.t < b.t : a.i < b.i;
}

/** Messages of this pipeline in the range, in order. */
async function* storedMessages(range: StoredRange, marks: MessageMarks): AsyncGenerator<StoredMessage> {
  if (range.from > range.to) return;
  // A work queue lets only its workers consume.
  const read = range.stream.retention === 'workqueue' ? oneByOne : consumed;
  for await (const { seq, header } of read(range)) {
    if (seq > range.to) return;
    const messageId = header(NatsHeader.messageId);
    if (messageId !== '' && messageId.startsWith(marks.messageIdPrefix)) {
      const eventId = messageId.slice(marks.messageIdPrefix.length);
      yield { messageId, clusterTime: timeIn(header(marks.timeHeader)) ?? timeOf(eventId) };
    }
    if (seq === range.to) return;
  }
}

interface HeadersOnly {
  readonly seq: number;
  readonly header: (name: string) => string;
}

/** An ordered consumer. With replicas it may lag behind, so it is read until it has passed the end. */
async function* consumed({ client, stream, from, signal }: StoredRange): AsyncGenerator<HeadersOnly> {
  const messages = await client.run('read', signal, async () => {
    const consumer = await client.jetstream.consumers.get(stream.name, {
      deliver_policy: DeliverPolicy.StartSequence,
      opt_start_seq: from,
      headers_only: true,
    });
    return consumer.consume({ max_messages: AHEAD });
  });
  const iterator = messages[Symbol.asyncIterator]();
  try {
    for (;;) {
      const { done, value } = await client.run('read', signal, () => iterator.next());
      if (done === true) return;
      yield { seq: value.seq, header: (name) => value.headers?.get(name) ?? '' };
    }
  } finally {
    messages.close().catch(() => undefined);
  }
}

/** The leader of the stream is asked for each message. */
async function* oneByOne({ client, stream, from, signal }: StoredRange): AsyncGenerator<HeadersOnly> {
  for (let seq = from; ; seq += 1) {
    const query = { seq, next_by_subj: '>' };
    const message = await client.run('read', signal, () => client.manager.streams.getMessage(stream.name, query));
    if (message === null) return;
    seq = message.seq;
    yield { seq, header: (name) => message.header.get(name) };
  }
}

function timeIn(text: string): ClusterTime | undefined {
  const parts = /^(\d+),(\d+)$/.exec(text);
  return parts === null ? undefined : { t: Number(parts[1]), i: Number(parts[2]) };
}

/** An event id is its resume token; a message of somebody else may have any. */
function timeOf(eventId: string): ClusterTime | undefined {
  return TOKEN.test(eventId) ? clusterTimeOfToken(eventId) : undefined;
}
