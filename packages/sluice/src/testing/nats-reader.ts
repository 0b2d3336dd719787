import { DeliverPolicy, jetstream, jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';

/** One message as the stream has it. */
export interface StreamMessage {
  readonly seq: number;
  readonly subject: string;
  readonly payload: Buffer;
  readonly headers: Readonly<Record<string, string>>;
}

/** Where to read. */
export interface StreamTarget {
  readonly servers: readonly string[];
  readonly stream: string;
  /** Start of the subjects to leave out; by default those of Sluice's own records. */
  readonly without?: string;
}

const AHEAD = 2000;
const ANSWER_LIMIT_MS = 30_000;

/** Reads a stream without logging in, from its first message up to the last one of this moment, in stream order. */
export async function readStream(target: StreamTarget): Promise<readonly StreamMessage[]> {
  const { servers, stream, without = `sluice.${target.stream}.` } = target;
  const connection = await connect({ servers: [...servers], reconnect: false });
  try {
    const { streams } = await jetstreamManager(connection, { timeout: ANSWER_LIMIT_MS });
    const { state } = await streams.info(stream);
    const found: StreamMessage[] = [];
    if (state.messages === 0) return found;
    const consumer = await jetstream(connection, { timeout: ANSWER_LIMIT_MS }).consumers.get(stream, {
      deliver_policy: DeliverPolicy.All,
    });
    const messages = await consumer.consume({ max_messages: AHEAD });
    for await (const { seq, subject, data, headers, info } of messages) {
      const lines = (headers?.keys() ?? []).map((name) => [name, headers?.get(name) ?? '']);
      const message = { seq, subject, payload: Buffer.from(data), headers: Object.fromEntries(lines) as object };
      if (!subject.startsWith(without)) found.push(message as StreamMessage);
      if (seq >= state.last_seq) return found;
      // A replica that is behind the leader knows of nothing more either; what it lacks will come.
      const next = { seq: seq + 1, next_by_subj: '>' };
      if (info.pending === 0 && (await streams.getMessage(stream, next)) === null) return found;
    }
    throw new Error(`the reading of ${stream} ended before message ${state.last_seq}`);
  } finally {
    await connection.close();
  }
}
