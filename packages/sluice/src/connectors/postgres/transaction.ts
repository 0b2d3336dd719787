import { setTimeout as pause } from 'node:timers/promises';
import { isAbort, SluiceError } from '../../core/failure.ts';
import { isSerializationFailure } from './classify.ts';
import type { Session } from './client.ts';

/** Whatever a role or a database has set: what a statement sees must be what others have committed before it. */
const BEGIN = { text: 'begin isolation level read committed' };
const COMMIT = { text: 'commit' };
const ROLLBACK = { text: 'rollback' };
const MOST_TRIES = 6;
const FIRST_PAUSE_MS = 10;

/**
 * Runs the work in a transaction; again when others were in its way (deadlock, serialization). Resolves when it is
 * committed. Errors come out as they are; when `commit` fails with a lost connection nobody knows what came of it.
 */
export async function inTransaction<T>(session: Session, signal: AbortSignal, work: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries++) {
    try {
      return await once(session, signal, work);
    } catch (error) {
      if (!isSerializationFailure(error) || tries >= MOST_TRIES) throw error;
      await pauseBefore(tries, signal);
    }
  }
}

async function once<T>(session: Session, signal: AbortSignal, work: () => Promise<T>): Promise<T> {
  try {
    await session.query(BEGIN, signal);
    const result = await work();
    const { command } = await session.query(COMMIT, signal);
    // The answer to the commit of a failed transaction is a rollback, not an error.
    if (command !== 'COMMIT') throw new SluiceError('the transaction was rolled back', ROLLED_BACK);
    return result;
  } catch (error) {
    if (!isAbort(error, signal)) await rollback(session);
    throw error;
  }
}

/** Runs the work in a transaction that is rolled back in any case. Errors come out as they are. */
export async function inTrial<T>(session: Session, signal: AbortSignal, work: () => Promise<T>): Promise<T> {
  try {
    await session.query(BEGIN, signal);
    return await work();
  } finally {
    if (!signal.aborted) await rollback(session);
  }
}

const ROLLED_BACK = { kind: 'transient', code: 'postgres.rolled-back' } as const;
const NEVER = new AbortController().signal;

async function rollback(session: Session): Promise<void> {
  if (session.isLost) return;
  try {
    await session.query(ROLLBACK, NEVER);
  } catch {
    session.abandon();
  }
}

/** Longer from one try to the next, and never the same for two that are in each other's way. */
export async function pauseBefore(tries: number, signal: AbortSignal): Promise<void> {
  try {
    await pause(FIRST_PAUSE_MS * 2 ** tries * (0.5 + Math.random()), undefined, { signal });
  } catch {
    signal.throwIfAborted();
  }
}
