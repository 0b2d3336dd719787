import type { FileHandle } from 'node:fs/promises';
import { SluiceError } from '../../core/failure.ts';
import type { Framing } from './record-writer.ts';

const BLOCK_BYTES = 1024 * 1024;
const NEWLINE = 0x0a;
const OPEN_BRACE = 0x7b;

/** An event is at most 16 MiB and a little; an envelope around it adds less than this. */
const LARGEST_DOCUMENT_BYTES = 64 * 1024 * 1024;
const EMPTY_DOCUMENT_BYTES = 5;

/** A file to look at: `path` is for messages. */
export interface TailedFile {
  readonly handle: FileHandle;
  readonly path: string;
  readonly sizeBytes: number;
}

/**
 * Where the last whole record of the file ends. Behind it can only be what a crash left of a record (its beginning, or
 * zeros after a power failure); anything else throws `file.not-records`, so that a file of somebody else is never cut.
 */
export function wholeRecordsEnd(file: TailedFile, framing: Framing): Promise<number> {
  return framing === 'lines' ? wholeLinesEnd(file) : wholeDocumentsEnd(file);
}

async function wholeLinesEnd(file: TailedFile): Promise<number> {
  const end = await lastLineEnd(file);
  for (const at of [0, end]) {
    const [byte] = await readAt(file, at, 1);
    if (byte !== undefined && byte !== OPEN_BRACE && byte !== 0) throw notRecords(file, at);
  }
  return end;
}

/** The offset behind the last newline; 0 when there is none. */
async function lastLineEnd(file: TailedFile): Promise<number> {
  for (let end = file.sizeBytes; end > 0; ) {
    const start = Math.max(0, end - BLOCK_BYTES);
    const index = (await readAt(file, start, end - start)).lastIndexOf(NEWLINE);
    if (index >= 0) return start + index + 1;
    end = start;
  }
  return 0;
}

/** Walks from document to document: BSON cannot be read backwards. */
async function wholeDocumentsEnd(file: TailedFile): Promise<number> {
  let block: Buffer = Buffer.alloc(0);
  let blockAt = 0;
  for (let at = 0; ; ) {
    if (at + 4 > blockAt + block.length) {
      block = await readAt(file, at, BLOCK_BYTES);
      blockAt = at;
    }
    if (block.length < 4) return at;
    const length = block.readInt32LE(at - blockAt);
    if (length < EMPTY_DOCUMENT_BYTES || length > LARGEST_DOCUMENT_BYTES) {
      if (await onlyZeros(file, at)) return at;
      throw notRecords(file, at);
    }
    if (at + length > file.sizeBytes) return at;
    const [last] = await closingByte(file, { block, blockAt, at: at + length - 1 });
    if (last !== 0) throw notRecords(file, at);
    at += length;
  }
}

/** The byte at `at`, from the block where possible. */
async function closingByte(
  file: TailedFile,
  { block, blockAt, at }: { block: Buffer; blockAt: number; at: number },
): Promise<Buffer> {
  const index = at - blockAt;
  return index < block.length ? block.subarray(index, index + 1) : readAt(file, at, 1);
}

async function onlyZeros(file: TailedFile, from: number): Promise<boolean> {
  for (let at = from; at < file.sizeBytes; at += BLOCK_BYTES) {
    if ((await readAt(file, at, BLOCK_BYTES)).some((byte) => byte !== 0)) return false;
  }
  return true;
}

/** Up to `length` bytes at `at`; fewer only at the end of the file. */
async function readAt(file: TailedFile, at: number, length: number): Promise<Buffer> {
  const wanted = Math.max(0, Math.min(length, file.sizeBytes - at));
  const buffer = Buffer.allocUnsafe(wanted);
  let filled = 0;
  while (filled < wanted) {
    const { bytesRead } = await file.handle.read(buffer, filled, wanted - filled, at + filled);
    if (bytesRead === 0) break;
    filled += bytesRead;
  }
  return buffer.subarray(0, filled);
}

function notRecords({ path }: TailedFile, at: number): SluiceError {
  return new SluiceError(`${path} holds something else than records of this sink (at byte ${at})`, {
    kind: 'config',
    code: 'file.not-records',
    hint: 'Move the file away, or choose another path. A file keeps the encoding it was begun with.',
  });
}
