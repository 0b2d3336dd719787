import { setTimeout as delay } from 'node:timers/promises';
import type { Epoch, PartitionId } from '../../core/checkpoint.ts';
import { SluiceError } from '../../core/failure.ts';
import { JetStreamCode } from './classify.ts';
import type { NatsClient } from './client.ts';
import { errorFacts } from './error-facts.ts';
import { headerBlock, headerLine, NatsHeader } from './message-headers.ts';
import { lastRecord, ownRecord, type StoredRecord } from './own-records.ts';
import type { StreamFacts } from './stream-setup.ts';

/** Others that take over at the same moment are outdone by trying again. */
const ATTEMPTS = 20;
const PAUSE_MS = 10;

/** Who may write for a partition: every write expects that this owner's record is still the last of its subject. */
export interface Ownership {
  readonly partition: PartitionId;
  readonly epoch: Epoch;
  /** Subject of the owner records, and the sequence of this owner's. */
  readonly subject: string;
  readonly sequence: number;
}

/** What taking over needs. */
export interface TakeOverOptions {
  readonly client: NatsClient;
  readonly stream: StreamFacts;
  readonly partition: PartitionId;
  /** Subject of the owner records. */
  readonly subject: string;
  readonly signal: AbortSignal;
}

/**
 * Takes a partition over with a record of a higher epoch in the stream itself. When it resolves, nothing that an older
 * owner still sends is stored any more, and what it had stored before is in front of the record.
 */
export async function takeOver(options: TakeOverOptions): Promise<Ownership> {
  const { client, stream, partition, subject, signal } = options;
  for (let attempt = 1; ; attempt++) {
    const last = await lastRecord(client, { stream: stream.name, subject, signal });
    const epoch = epochIn(last) + 1;
    const { payload, lines } = ownRecord(subject, JSON.stringify({ v: 1, partition, epoch, atMs: Date.now() }), stream);
    const headers = headerBlock(lines, headerLine(NatsHeader.expectedSubjectSequence, last?.seq ?? 0));
    try {
      const { seq } = await client.run('claim', signal, () => client.publish({ subject, payload, headers }));
      return { partition, epoch, subject, sequence: seq };
    } catch (error) {
      if (!isWrongSequence(error) || attempt >= ATTEMPTS) throw error;
      await delay(PAUSE_MS, undefined, { signal });
    }
  }
}

/** Header lines with which a message is only stored while the ownership lasts. */
export function fenceLines({ subject, sequence }: Ownership): string {
  return headerLine(NatsHeader.expectedSubjectSequence, sequence) + headerLine(NatsHeader.expectedSubject, subject);
}

/** True when the stream was not where a message expected it to be. */
export function isWrongSequence(error: unknown): boolean {
  const code = errorFacts(error).jetStream?.code;
  return code === JetStreamCode.wrongLastSequence || code === JetStreamCode.expectationInUse;
}

/**
 * The reason why a fenced write was refused: somebody has taken over (`fenced`), or the owner record itself is gone
 * (purged, or pushed out of a stream that discards old messages), which a new take-over mends.
 */
export async function explainRefusal(
  error: unknown,
  ownership: Ownership,
  { client, stream, signal }: { client: NatsClient; stream: StreamFacts; signal: AbortSignal },
): Promise<unknown> {
  if (!isWrongSequence(error)) return error;
  const last = await lastRecord(client, { stream: stream.name, subject: ownership.subject, signal });
  if (epochIn(last) > ownership.epoch) return fenced(ownership.partition, error);
  if (last?.seq === ownership.sequence) return error;
  return new SluiceError('the record that says who owns this pipeline is gone from the stream', {
    kind: 'transient',
    code: 'nats.owner-record-gone',
    hint: 'Do not purge the subjects of Sluice, and do not let the stream discard old messages.',
    cause: error,
  });
}

/** The error of an owner that is not the owner any more. */
export function fenced(partition: PartitionId, cause?: unknown): SluiceError {
  return new SluiceError(`another owner has taken over "${partition}" (a newer record in the stream says so)`, {
    kind: 'fenced',
    code: 'nats.fenced',
    hint: 'Run each pipeline once only. Nothing was written by this one since.',
    cause,
  });
}

function epochIn(record: StoredRecord | undefined): Epoch {
  if (record === undefined) return 0;
  try {
    const { epoch } = JSON.parse(record.text) as { epoch?: unknown };
    if (typeof epoch === 'number') return epoch;
  } catch {
    // Not a record of ours: the same as one without an epoch.
  }
  throw new SluiceError('the last message on the subject of the owner records is not one', {
    kind: 'config',
    code: 'nats.owner-record',
    hint: 'Nobody else may publish there: set `recordPrefix` to subjects that only Sluice uses.',
  });
}
