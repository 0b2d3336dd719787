import { createRequire } from 'node:module';
import type { Document } from 'mongodb';

/** Largest message that servers take, with room for the command around the sequence (`maxMessageSizeBytes`). */
export const MAX_SEQUENCE_BYTES = 47_000_000;
/** Most statements in one command (`maxWriteBatchSize`). */
export const MAX_STATEMENTS = 100_000;

/** The part of the driver's class that a message is built with. */
type SequenceClass = new (field: string) => { toBin(): Uint8Array };

// The driver has no public way to send documents as the bytes they are. Its own bulk writes send pre-serialized
// statements in this class, which a message takes anywhere in a command.
const { DocumentSequence } = createRequire(import.meta.url)('mongodb/lib/cmap/commands.js') as {
  readonly DocumentSequence: SequenceClass;
};

/** A section of an OP_MSG: documents under the name of a field of the command, already in their wire form. */
class RawSequence extends DocumentSequence {
  /** What the driver shows to command monitors; the bytes are not decoded for that. */
  readonly documents: readonly Document[] = [];
  readonly #section: Uint8Array;

  constructor(field: string, section: Uint8Array) {
    super(field);
    this.#section = section;
  }

  override toBin(): Uint8Array {
    return this.#section;
  }
}

/** Something that can write itself as one BSON document. */
export interface RawStatement {
  /** Bytes that it takes. */
  readonly size: number;
  /** Writes it at `at`; returns where it ends. */
  writeTo(target: Buffer, at: number): number;
}

/**
 * The statements as the value of `field` in a command for `db.command`. Section of kind 1: its length, the name of the
 * field, then one document after the other
 * (https://github.com/mongodb/specifications/blob/master/source/message/OP_MSG.md).
 */
export function rawSequence(field: string, statements: readonly RawStatement[]): Document {
  const headBytes = 4 + field.length + 1;
  let bytes = headBytes;
  for (const { size } of statements) bytes += size;
  const section = Buffer.allocUnsafe(1 + bytes);
  section[0] = 1;
  section.writeInt32LE(bytes, 1);
  let at = 5 + section.write(field, 5, 'latin1');
  section[at++] = 0;
  for (const statement of statements) at = statement.writeTo(section, at);
  return new RawSequence(field, section);
}

/** Cuts statements so that each part fits a command. */
export function* inCommands<S extends RawStatement>(statements: readonly S[]): Generator<readonly S[]> {
  let start = 0;
  let bytes = 0;
  for (const [index, { size }] of statements.entries()) {
    if (index > start && (bytes + size > MAX_SEQUENCE_BYTES || index - start >= MAX_STATEMENTS)) {
      yield statements.slice(start, index);
      start = index;
      bytes = 0;
    }
    bytes += size;
  }
  if (start < statements.length) yield start === 0 ? statements : statements.slice(start);
}
