import { type Checkpoint, decodeCheckpoint, encodeCheckpoint, type PartitionId } from '../../core/checkpoint.ts';
import type { NatsClient } from './client.ts';
import type { NatsSinkConfig } from './config.ts';
import { headerLine, NatsHeader } from './message-headers.ts';
import type { OutgoingMessage } from './publisher.ts';
import type { StreamFacts } from './stream-setup.ts';
import { subjectToken } from './subject-token.ts';

/** Where the records of one partition are. */
export interface RecordSubjects {
  readonly owner: string;
  readonly checkpoint: string;
}

/** Start of the subjects of Sluice's own records. A subject belongs to one stream only, so it names the stream. */
export function recordPrefixOf({ recordPrefix, stream }: Pick<NatsSinkConfig, 'recordPrefix' | 'stream'>): string {
  return recordPrefix ?? `sluice.${stream}`;
}

/** Subjects of the records of a partition: `<prefix>.owner.<pipeline>.<index>` and `<prefix>.checkpoint.…`. */
export function recordSubjects(prefix: string, partition: PartitionId): RecordSubjects {
  const place = partition.split('/').map(subjectToken).join('.');
  return { owner: `${prefix}.owner.${place}`, checkpoint: `${prefix}.checkpoint.${place}` };
}

/**
 * A record of Sluice itself. In a stream that removes messages by age it is marked to stay (`Nats-TTL: never`) and,
 * where that is allowed, takes the place of the one before it; otherwise those would never go.
 */
export function ownRecord(subject: string, text: string, stream: StreamFacts): OutgoingMessage {
  const stays = stream.expires ? headerLine(NatsHeader.timeToLive, 'never') : '';
  const replaces = stream.expires && stream.rollup ? headerLine(NatsHeader.rollup, 'sub') : '';
  return { subject, filter: subject, payload: Buffer.from(text), lines: stays + replaces, messageId: undefined };
}

/** The record of a checkpoint. */
export function checkpointRecord(checkpoint: Checkpoint, subject: string, stream: StreamFacts): OutgoingMessage {
  return ownRecord(subject, encodeCheckpoint(checkpoint), stream);
}

/** A message of the stream. */
export interface StoredRecord {
  readonly seq: number;
  readonly text: string;
}

/** The last message of a subject, from the leader of the stream: what was acknowledged before is seen. */
export async function lastRecord(
  client: NatsClient,
  { stream, subject, signal }: { stream: string; subject: string; signal: AbortSignal },
): Promise<StoredRecord | undefined> {
  const message = await client.run('read', signal, () =>
    client.manager.streams.getMessage(stream, { last_by_subj: subject }),
  );
  return message === null ? undefined : { seq: message.seq, text: Buffer.from(message.data).toString() };
}

/** The checkpoint in a record. Throws `config` errors for one that is damaged or of another partition. */
export function checkpointIn(record: StoredRecord, partition: PartitionId, subject: string): Checkpoint {
  return decodeCheckpoint(record.text, partition, `the subject "${subject}"`);
}
