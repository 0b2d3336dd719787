import type { KafkaTarget } from './kafkajs-client.ts';
import { type OffsetRange, openTopic, type RawRecord, type TopicConnection } from './kafkajs-cluster.ts';

/** What became of the transaction a record was written in. */
export type TransactionOutcome = 'none' | 'committed' | 'aborted' | 'open';

/** One record as the broker has it. */
export interface TopicRecord {
  readonly partition: number;
  readonly offset: number;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly headers: Readonly<Record<string, string>>;
  readonly timestampMs: number;
  readonly transaction: TransactionOutcome;
}

/** Which records a reader sees. */
export interface ReadOptions {
  /** `read_committed` by default: no aborted records, and nothing from the first open transaction of a partition on. */
  readonly isolation?: 'read_committed' | 'read_uncommitted';
}

const READ_LIMIT_MS = 120_000;
/** So many empty answers in a row mean that the offset was removed by compaction, not that the broker was slow. */
const EMPTY_ANSWERS = 3;

/**
 * Reads a topic from its first record up to the high watermark of this moment: partition by partition, in the order
 * of the offsets. It does not use Sluice's Kafka client. Everything is fetched, aborted records included, and each is
 * judged by the control record that ends its transaction, not by the list of aborted transactions in the answers.
 */
export async function readTopic(
  target: KafkaTarget,
  topic: string,
  options: ReadOptions = {},
): Promise<readonly TopicRecord[]> {
  await using connection = await openTopic(target, topic);
  const records: TopicRecord[] = [];
  for (const [partition, range] of [...(await connection.ranges())].sort(([a], [b]) => a - b)) {
    const raw = await fetchAll(connection, partition, range);
    for (const record of visible(judge(raw, partition), options)) records.push(record);
  }
  return records;
}

async function fetchAll(connection: TopicConnection, partition: number, range: OffsetRange): Promise<RawRecord[]> {
  const records: RawRecord[] = [];
  const end = performance.now() + READ_LIMIT_MS;
  let next = range.from;
  let emptyAnswers = 0;
  while (next < range.to) {
    if (performance.now() > end) {
      throw new Error(`partition ${partition} was read to ${next} of ${range.to} within ${READ_LIMIT_MS} ms`);
    }
    // A fetch in the middle of a batch gives the whole batch.
    const answer = await connection.fetch(partition, next);
    const fresh = answer.filter(({ offset }) => Number(offset) >= next && Number(offset) < range.to);
    for (const record of fresh) records.push(record);
    emptyAnswers = answer.length === 0 ? emptyAnswers + 1 : 0;
    if (answer.length > 0 || emptyAnswers >= EMPTY_ANSWERS) next = offsetAfter(answer, next);
  }
  return records;
}

/** Compaction leaves holes: the next offset is after the last batch of the answer, not after its last record. */
function offsetAfter(answer: readonly RawRecord[], next: number): number {
  const last = answer.at(-1)?.batchContext;
  if (last === undefined) return next + 1;
  return Math.max(next, Number(last.firstOffset) + last.lastOffsetDelta) + 1;
}

type Judged = { -readonly [K in keyof TopicRecord]: TopicRecord[K] };

/** Gives each data record the outcome of its transaction; control records end transactions and are left out. */
function judge(raw: readonly RawRecord[], partition: number): TopicRecord[] {
  const judged: Judged[] = [];
  const open = new Map<string, Judged[]>();
  for (const record of raw) {
    const { producerId, inTransaction } = record.batchContext;
    if (record.isControlRecord) {
      const outcome = outcomeOf(record.key);
      for (const pending of open.get(producerId) ?? []) pending.transaction = outcome;
      open.delete(producerId);
      continue;
    }
    const entry = toRecord(record, partition);
    judged.push(entry);
    if (!inTransaction) continue;
    const pending = open.get(producerId);
    if (pending === undefined) open.set(producerId, [entry]);
    else pending.push(entry);
  }
  return judged;
}

/** A control record's key is two 16-bit numbers: version, and type (0 abort, 1 commit). */
function outcomeOf(key: Buffer | null): TransactionOutcome {
  const type = key?.readInt16BE(2);
  if (type === 0) return 'aborted';
  if (type === 1) return 'committed';
  throw new Error(`unknown control record of type ${type}`);
}

function toRecord(record: RawRecord, partition: number): Judged {
  const headers = Object.entries(record.headers).map(([name, value]) => [name, String(value)]);
  return {
    partition,
    offset: Number(record.offset),
    key: record.key,
    value: record.value,
    headers: Object.fromEntries(headers) as Record<string, string>,
    timestampMs: Number(record.timestamp),
    transaction: record.batchContext.inTransaction ? 'open' : 'none',
  };
}

function visible(records: readonly TopicRecord[], options: ReadOptions): readonly TopicRecord[] {
  if (options.isolation === 'read_uncommitted') return records;
  const firstOpen = records.findIndex((record) => record.transaction === 'open');
  const stable = firstOpen < 0 ? records : records.slice(0, firstOpen);
  return stable.filter((record) => record.transaction !== 'aborted');
}
