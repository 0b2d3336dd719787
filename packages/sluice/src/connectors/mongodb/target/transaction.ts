import { setTimeout as pause } from 'node:timers/promises';
import type { ClientSession, MongoClient } from 'mongodb';
import { classify, serverCode } from '../classify.ts';
import type { MongodbSinkConfig } from './config.ts';

/**
 * WriteConflict, NoSuchTransaction, LockTimeout, SnapshotUnavailable, and a collection that is being made: another
 * transaction was faster, and this one has left nothing behind.
 */
const TRY_AGAIN = [112, 251, 24, 246, 48];
const ATTEMPTS = 10;
const FIRST_PAUSE_MS = 5;
const LONGEST_PAUSE_MS = 500;

/** Where transactions run. */
export interface TransactionPlace {
  readonly client: MongoClient;
  readonly writeConcern: MongodbSinkConfig['writeConcern'];
}

/**
 * Runs the work in a transaction that is committed when the work resolves. What another transaction got in the way of is
 * run again as a whole. When it throws, nothing was done, except that the outcome of a commit whose answer was lost is not
 * known: that is a `transient` error.
 */
export async function inTransaction<T>(
  { client, writeConcern }: TransactionPlace,
  signal: AbortSignal,
  work: (session: ClientSession) => Promise<T>,
): Promise<T> {
  const session = client.startSession({ causalConsistency: false });
  const { w, timeout: wtimeoutMS } = writeConcern;
  try {
    for (let attempt = 1; ; attempt++) {
      session.startTransaction({ readConcern: { level: 'snapshot' }, writeConcern: { w, wtimeoutMS } });
      try {
        const result = await work(session);
        await commit(session);
        return result;
      } catch (error) {
        if (session.inTransaction()) await session.abortTransaction().catch(() => {});
        signal.throwIfAborted();
        if (attempt >= ATTEMPTS || !TRY_AGAIN.includes(serverCode(error) ?? 0)) throw error;
        await pause(Math.random() * Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** attempt));
      }
    }
  } finally {
    await session.endSession().catch(() => {});
  }
}

async function commit(session: ClientSession): Promise<void> {
  try {
    await session.commitTransaction();
  } catch (error) {
    throw classify(error, 'write', 'commit a transaction');
  }
}
