import type { ClientSession, Document, MongoClient, ReadPreferenceMode } from 'mongodb';
import { findField } from '../../../bson/elements.ts';
import { malformedBson } from '../../../bson/malformed.ts';
import { type CursorReply, parseCursorReply } from '../../../bson/reply.ts';
import type { BsonValue } from '../../../core/change-event.ts';
import { classify } from '../classify.ts';
import { noAnswer } from '../client.ts';

const READ_LIMIT_MS = 30_000;
/** How much longer than the server may work its answer may take. */
const ANSWER_MARGIN_MS = 5_000;
const KILL_LIMIT_MS = 2_000;

/** What the reads of a snapshot are made with. */
export interface SnapshotContext {
  /** Several reads at a time need a client that reaches one server only, unless they go to the primary. */
  readonly client: MongoClient;
  readonly readPreference: ReadPreferenceMode;
  /** Shown with the operation in the server's logs and `currentOp`. */
  readonly comment: string;
  /** Aborting it ends what is outstanding, with its reason. */
  readonly signal: AbortSignal;
  /** How long the server may work on one read; 30 s when left out. */
  readonly limitMs?: number;
}

/** A command that answers with a cursor. */
export interface RawRead {
  readonly db: string;
  readonly command: Document;
  /** Completes "cannot …" in the message of a failure. */
  readonly doing: string;
}

/**
 * The first answer of a `find` or `aggregate`, its documents as slices of the reply. It is the only one: a cursor that
 * has more (`id` is not 0) is closed on the server. Errors are classified in the phase `snapshot`.
 */
export async function readRaw(context: SnapshotContext, { db, command, doing }: RawRead): Promise<CursorReply> {
  const { client, readPreference, comment, signal, limitMs = READ_LIMIT_MS } = context;
  signal.throwIfAborted();
  const limit = AbortSignal.timeout(limitMs + ANSWER_MARGIN_MS);
  // The cursor can only be closed in the session that it was opened in.
  const session = client.startSession({ causalConsistency: false });
  const options = { session, raw: true, readPreference, signal: AbortSignal.any([signal, limit]) };
  try {
    const answer = await client.db(db).command({ ...command, maxTimeMS: limitMs, comment }, options);
    const reply = parseCursorReply(answer['cursor'] as Uint8Array);
    if (reply.id !== 0n) await killCursor(context, session, { db, command, id: reply.id });
    return reply;
  } catch (error) {
    if (signal.aborted) throw signal.reason;
    if (limit.aborted) throw noAnswer(doing);
    throw classify(error, 'snapshot', doing);
  } finally {
    await session.endSession().catch(() => {});
  }
}

/** The `_id` of a raw document. Throws `rejected` when it has none. */
export function idOf(document: Uint8Array): BsonValue {
  const id = findField(document, '_id');
  if (id === undefined) throw malformedBson('a stored document has no _id');
  return id;
}

/** A cursor that could not be closed ends by itself after ten idle minutes, so a failure is of no interest. */
async function killCursor(
  { client, readPreference }: SnapshotContext,
  session: ClientSession,
  { db, command, id }: { db: string; command: Document; id: bigint },
): Promise<void> {
  const kill = { killCursors: command['find'] ?? command['aggregate'], cursors: [id] };
  const options = { session, readPreference, signal: AbortSignal.timeout(KILL_LIMIT_MS) };
  await client
    .db(db)
    .command(kill, options)
    .catch(() => {});
}
