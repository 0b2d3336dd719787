import type { FileHandle } from 'node:fs/promises';

const BLOCK_BYTES = 256 * 1024;
const NEWLINE = 0x0a;

/** A line without its line end, and where in the file it is. */
export interface Line {
  readonly bytes: Buffer;
  readonly offset: number;
  /** False for the last line of a file that does not end in a newline. */
  readonly complete: boolean;
}

/** The lines of a file from its beginning; reads a block at a time, lines may be longer. */
export async function* readLines(handle: FileHandle): AsyncGenerator<Line> {
  let parts: Buffer[] = [];
  let lineAt = 0;
  for (let at = 0; ; ) {
    const block = Buffer.allocUnsafe(BLOCK_BYTES);
    const { bytesRead } = await handle.read(block, 0, BLOCK_BYTES, at);
    if (bytesRead === 0) break;
    let from = 0;
    for (let end = block.indexOf(NEWLINE); end >= 0 && end < bytesRead; end = block.indexOf(NEWLINE, from)) {
      yield { bytes: Buffer.concat([...parts, block.subarray(from, end)]), offset: lineAt, complete: true };
      parts = [];
      from = end + 1;
      lineAt = at + from;
    }
    if (from < bytesRead) parts.push(block.subarray(from, bytesRead));
    at += bytesRead;
  }
  if (parts.length > 0) yield { bytes: Buffer.concat(parts), offset: lineAt, complete: false };
}
