import type { Checkpoint, CheckpointStore, Claim, PartitionId } from '../../core/checkpoint.ts';
import { comparePositions, type Position } from '../../core/position.ts';
import type { NatsClient } from './client.ts';
import { checkpointIn, checkpointRecord, lastRecord, type RecordSubjects, recordSubjects } from './own-records.ts';
import { explainRefusal, fenced, type Ownership, takeOver } from './ownership.ts';
import type { OutgoingMessage, Publisher } from './publisher.ts';
import { type MessageMarks, storedIds, storedIdsSince } from './stored-messages.ts';
import type { StreamFacts } from './stream-setup.ts';

/** What deliveries are made of. */
export interface DeliveryParts {
  readonly client: NatsClient;
  readonly stream: StreamFacts;
  readonly publisher: Publisher;
  readonly recordPrefix: string;
  readonly marks: MessageMarks;
}

/** The messages of one write. */
export interface DeliveryWrite {
  readonly messages: readonly OutgoingMessage[];
  /** Position of the first event of the write. */
  readonly first: Position;
  readonly checkpoint: Checkpoint;
  readonly signal: AbortSignal;
}

/** How messages get into the stream. One call at a time; after an error it must not be used again. */
export interface Delivery {
  /** Set when checkpoints are kept in the stream. */
  readonly checkpoints?: Pick<CheckpointStore, 'claim' | 'save'> | undefined;
  deliver(write: DeliveryWrite): Promise<void>;
}

/** What both deliveries share: an owner, and the messages that its predecessor had stored beyond the checkpoint. */
class OwnedStream {
  readonly #parts: DeliveryParts;
  readonly owner: Ownership;
  stored: Set<string> = new Set();

  constructor(parts: DeliveryParts, owner: Ownership) {
    this.#parts = parts;
    this.owner = owner;
  }

  /** Publishes what is not stored yet. */
  async publish(messages: readonly OutgoingMessage[], signal: AbortSignal): Promise<void> {
    const fresh = this.stored.size === 0 ? messages : messages.filter((message) => !this.#isStored(message));
    try {
      await this.#parts.publisher.publish(fresh, this.owner, signal);
    } catch (error) {
      throw await explainRefusal(error, this.owner, { ...this.#parts, signal });
    }
  }

  #isStored({ messageId }: OutgoingMessage): boolean {
    return messageId !== undefined && this.stored.delete(messageId);
  }
}

/**
 * Delivery with checkpoints elsewhere. What comes again after a restart is found in the stream itself, read backwards
 * from its end, and is not published a second time, however long ago it was stored.
 */
export async function atLeastOnce(
  parts: DeliveryParts,
  { partition, signal: opening }: { partition: PartitionId; signal: AbortSignal },
): Promise<Delivery> {
  const { client, stream, marks } = parts;
  const { owner: subject } = recordSubjects(parts.recordPrefix, partition);
  const owned = new OwnedStream(parts, await takeOver({ client, stream, partition, subject, signal: opening }));
  let begun = false;
  return {
    async deliver({ messages, first, signal }) {
      if (!begun) {
        const range = { client, stream, from: 1, to: owned.owner.sequence - 1, signal };
        owned.stored = await storedIdsSince(first, range, marks);
        begun = true;
      }
      await owned.publish(messages, signal);
    },
  };
}

/**
 * Delivery with the checkpoint in the stream, behind the messages it stands for: in one atomic batch with them where
 * the server can. A claim takes the partition over, which fences the last owner, and only then reads the position;
 * messages behind the last checkpoint (a batch that was stored in part) are found and not published again.
 */
export class ExactlyOnce implements Delivery {
  /** See `CheckpointStore`; a partition has to be claimed before anything is written. */
  readonly checkpoints = {
    claim: (partition: PartitionId, signal: AbortSignal) => this.#take(partition, signal),
    save: (checkpoint: Checkpoint, signal: AbortSignal) => this.#save(checkpoint, signal),
  };
  readonly #parts: DeliveryParts;
  #claimed: { readonly owned: OwnedStream; readonly subjects: RecordSubjects } | undefined;
  /** What this owner has stored last. */
  #saved: Position | undefined;

  constructor(parts: DeliveryParts) {
    this.#parts = parts;
  }

  async #take(partition: PartitionId, signal: AbortSignal): Promise<Claim> {
    const { client, stream, marks, recordPrefix } = this.#parts;
    const subjects = recordSubjects(recordPrefix, partition);
    const before = await lastRecord(client, { stream: stream.name, subject: subjects.owner, signal });
    const owned = new OwnedStream(
      this.#parts,
      await takeOver({ client, stream, partition, subject: subjects.owner, signal }),
    );
    const record = await lastRecord(client, { stream: stream.name, subject: subjects.checkpoint, signal });
    if (before !== undefined) {
      const from = (record?.seq ?? 0) + 1;
      const range = { client, stream, from, to: owned.owner.sequence - 1, signal };
      owned.stored = await storedIds(range, marks);
    }
    this.#claimed = { owned, subjects };
    this.#saved = undefined;
    const checkpoint = record && checkpointIn(record, partition, subjects.checkpoint);
    return { epoch: owned.owner.epoch, checkpoint };
  }

  /** Stores a position without data, unless this owner has stored one at or beyond it. */
  async #save(checkpoint: Checkpoint, signal: AbortSignal): Promise<void> {
    const { owned, subjects } = this.#own(checkpoint);
    const moved = this.#saved === undefined || comparePositions(checkpoint.position, this.#saved) > 0;
    if (!moved && checkpoint.position.state?.revision === this.#saved?.state?.revision) return;
    await owned.publish([checkpointRecord(checkpoint, subjects.checkpoint, this.#parts.stream)], signal);
    this.#saved = checkpoint.position;
  }

  async deliver({ messages, checkpoint, signal }: DeliveryWrite): Promise<void> {
    const { owned, subjects } = this.#own(checkpoint);
    const record = checkpointRecord(checkpoint, subjects.checkpoint, this.#parts.stream);
    await owned.publish([...messages, record], signal);
    this.#saved = checkpoint.position;
  }

  #own({ partition, epoch }: Checkpoint) {
    if (this.#claimed === undefined) throw new Error('nothing can be written before `claim`');
    const { owner } = this.#claimed.owned;
    if (owner.partition !== partition || owner.epoch !== epoch) throw fenced(partition);
    return this.#claimed;
  }
}
