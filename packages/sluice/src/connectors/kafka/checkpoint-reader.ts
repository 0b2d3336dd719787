import { type Checkpoint, decodeCheckpoint, type Epoch, type PartitionId } from '../../core/checkpoint.ts';
import { SluiceError } from '../../core/failure.ts';
import { CommittedRecords, type LogRecord } from './committed-records.ts';
import type { LogReader } from './log-reader.ts';

/** A log to find checkpoints in. */
export type ReadableLog = Pick<LogReader, 'topic' | 'bounds' | 'read'>;

/** What the checkpoint topic knows about a partition. */
export interface StoredCheckpoint {
  readonly checkpoint: Checkpoint | undefined;
  /** The highest epoch anybody has owned the partition with; 0 when nobody has. */
  readonly epoch: Epoch;
}

/** Code of the error while an open transaction of somebody else holds records of the partition. */
export const UNDECIDED = 'kafka.checkpoint-undecided';

/** Offsets that are read first; each further look back is so many times as far. */
const FIRST_WINDOW = 2000n;
const WINDOW_GROWTH = 8n;

/** Key of the records that say who has taken a partition over. A partition id ends in a number, so it is no other's. */
export function claimKey(partition: PartitionId): string {
  return `${partition}#claim`;
}

/** The record of a take-over, which makes epochs grow even when no checkpoint is written in between. */
export function encodeClaim(partition: PartitionId, epoch: Epoch): string {
  return JSON.stringify({ v: 1, partition, epoch, claimedAtMs: Date.now() });
}

/**
 * The last checkpoint of the partition and the highest epoch. The log is looked at from its end in growing windows, so
 * a long topic that was not compacted yet is not read from the start. Throws `config` errors for damaged records and
 * `kafka.checkpoint-undecided` while a foreign open transaction holds records of this partition.
 */
export async function readCheckpoint(
  log: ReadableLog,
  partition: PartitionId,
  signal: AbortSignal,
): Promise<StoredCheckpoint> {
  const bounds = await log.bounds(signal);
  for (let size = FIRST_WINDOW; ; size *= WINDOW_GROWTH) {
    const from = bounds.end - size > bounds.start ? bounds.end - size : bounds.start;
    const found = await readWindow(log, { partition, from, end: bounds.end, stable: bounds.stable }, signal);
    const where = `the topic "${log.topic}"`;
    const text = found.checkpoint?.value?.toString();
    const checkpoint = text === undefined ? undefined : decodeCheckpoint(text, partition, where);
    // Claims above the epoch of a checkpoint were written after it, so they are inside this window too.
    if (checkpoint === undefined && from > bounds.start) continue;
    return { checkpoint, epoch: Math.max(checkpoint?.epoch ?? 0, claimedEpoch(found.claim, where)) };
  }
}

interface Window {
  readonly partition: PartitionId;
  readonly from: bigint;
  readonly end: bigint;
  readonly stable: bigint;
}

interface Found {
  readonly checkpoint: LogRecord | undefined;
  readonly claim: LogRecord | undefined;
}

async function readWindow(log: ReadableLog, window: Window, signal: AbortSignal): Promise<Found> {
  const { partition, from, end, stable } = window;
  const latest = new Map<string, LogRecord>();
  const keep = (records: readonly LogRecord[]) => {
    for (const record of records) {
      if (record.offset < from || (record.key !== partition && record.key !== claimKey(partition))) continue;
      const known = latest.get(record.key);
      if (known === undefined || known.offset < record.offset) latest.set(record.key, record);
    }
  };
  const committed = new CommittedRecords();
  for await (const batch of log.read(from, end, signal)) keep(committed.add(batch));
  const rest = committed.finish(stable);
  keep(rest.committed);
  if (rest.undecided.some(({ key }) => key === partition || key === claimKey(partition))) throw undecided(partition);
  return { checkpoint: latest.get(partition), claim: latest.get(claimKey(partition)) };
}

function claimedEpoch(record: LogRecord | undefined, where: string): Epoch {
  if (record?.value === undefined || record.value === null) return 0;
  try {
    const { epoch } = JSON.parse(record.value.toString()) as { epoch?: unknown };
    if (Number.isSafeInteger(epoch)) return epoch as Epoch;
  } catch {
    // Reported below, like any other content that is not a claim.
  }
  throw new SluiceError(`the record "${record.key}" at offset ${record.offset} in ${where} is damaged`, {
    kind: 'config',
    code: 'checkpoint.damaged',
    hint: 'Write a record with this key and no value to the topic to remove it.',
  });
}

function undecided(partition: PartitionId): SluiceError {
  return new SluiceError(`a transaction with a checkpoint of "${partition}" is still open`, {
    kind: 'transient',
    code: UNDECIDED,
    hint:
      'Another instance writes the same pipeline with another `transactionalIdPrefix`: stop it. ' +
      'The broker aborts its transaction after its time-out.',
  });
}
