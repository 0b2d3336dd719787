import type { BigIntStats } from 'node:fs';
import { type FileHandle, open, readdir, rename, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { SluiceError } from '../../core/failure.ts';
import type { Logger } from '../../core/logger.ts';
import { classified, ifExists } from './classify.ts';
import { makeDirectory, syncDirectory, writeFully } from './durable.ts';
import type { Framing } from './record-writer.ts';
import { wholeRecordsEnd } from './torn-tail.ts';

/** Readable by the group, so that a log shipper need not be root. */
const DATA_FILE = 0o640;
const SUFFIX_DIGITS = 6;

/** How files are written. */
export interface AppendOptions {
  readonly framing: Framing;
  readonly rotate: { readonly bytes?: number | undefined; readonly age?: number | undefined };
  readonly fsync: 'batch' | 'none';
  readonly logger: Logger;
}

interface OpenFile {
  readonly handle: FileHandle;
  readonly inode: bigint;
  readonly begunAtMs: number;
}

/**
 * A file that is appended to by one writer at a time. It follows its path: when the file was moved away or removed, the
 * next append begins a new one. What a crash left of a record is cut off when the file is opened.
 */
export class AppendFile implements AsyncDisposable {
  readonly #path: string;
  readonly #options: AppendOptions;
  #file: OpenFile | undefined;
  #sizeBytes = 0;
  /** Up to here the file holds only what `commit` made durable, or what was there before. */
  #committedBytes = 0;

  constructor(path: string, options: AppendOptions) {
    this.#path = path;
    this.#options = options;
  }

  /** Opens the file now instead of with the first append, so that a path that cannot be used shows at once. */
  async open(): Promise<void> {
    await classified(`open ${this.#path}`, () => this.#current());
  }

  /** Appends the bytes (whole records), rotating before when it is due. Not durable before `commit`. */
  append(bytes: Uint8Array): Promise<void> {
    return classified(`append to ${this.#path}`, async () => {
      let file = await this.#current();
      if (this.#rotationDue(file, bytes.byteLength)) file = await this.#rotate(file);
      await writeFully(file.handle, bytes);
      this.#sizeBytes += bytes.byteLength;
    });
  }

  /** Makes what was appended durable, as far as `fsync` asks for it. */
  async commit(): Promise<void> {
    const file = this.#file;
    if (file !== undefined && this.#options.fsync === 'batch') {
      await classified(`flush ${this.#path} to the disk`, () => file.handle.datasync());
    }
    this.#committedBytes = this.#sizeBytes;
  }

  /** Takes back what was appended since the last commit, as far as that is possible; it will be written again. */
  async rollback(): Promise<void> {
    try {
      await this.#file?.handle.truncate(this.#committedBytes);
    } catch {
      // The failure that led here is the one to report; the records that stay are duplicates of what comes again.
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const file = this.#file;
    this.#file = undefined;
    await classified(`close ${this.#path}`, async () => file?.handle.close());
  }

  async #current(): Promise<OpenFile> {
    const known = this.#file;
    if (known === undefined) return this.#open();
    const now = await ifExists(stat(this.#path, { bigint: true }));
    if (now?.ino === known.inode) return known;
    await this[Symbol.asyncDispose]();
    return this.#open();
  }

  async #open(): Promise<OpenFile> {
    const isNew = (await ifExists(stat(this.#path, { bigint: true }))) === undefined;
    if (isNew) await makeDirectory(dirname(this.#path));
    const handle = await open(this.#path, 'a+', DATA_FILE);
    try {
      const stats = await handle.stat({ bigint: true });
      if (!stats.isFile()) throw notAFile(this.#path);
      const sizeBytes = await this.#cutTornTail(handle, Number(stats.size));
      if (isNew) await syncDirectory(dirname(this.#path));
      this.#sizeBytes = sizeBytes;
      this.#committedBytes = sizeBytes;
      this.#file = { handle, inode: stats.ino, begunAtMs: begunAtMs(stats) };
      return this.#file;
    } catch (error) {
      await handle.close();
      throw error;
    }
  }

  async #cutTornTail(handle: FileHandle, sizeBytes: number): Promise<number> {
    const { framing, logger } = this.#options;
    const end = await wholeRecordsEnd({ handle, path: this.#path, sizeBytes }, framing);
    if (end === sizeBytes) return sizeBytes;
    await handle.truncate(end);
    logger.warn({ path: this.#path, bytes: sizeBytes - end }, 'cut off a record that a crash left half-written');
    return end;
  }

  #rotationDue(file: OpenFile, comingBytes: number): boolean {
    const { bytes, age } = this.#options.rotate;
    if (this.#sizeBytes === 0) return false;
    if (bytes !== undefined && this.#sizeBytes + comingBytes > bytes) return true;
    return age !== undefined && Date.now() - file.begunAtMs > age;
  }

  async #rotate(file: OpenFile): Promise<OpenFile> {
    await this.commit();
    await rename(this.#path, await nextNumbered(this.#path));
    this.#file = undefined;
    await file.handle.close();
    return this.#open();
  }
}

/** Some file systems do not keep when a file was made. */
function begunAtMs({ birthtimeMs, mtimeMs, size }: BigIntStats): number {
  if (birthtimeMs > 0n) return Number(birthtimeMs);
  return size === 0n ? Date.now() : Number(mtimeMs);
}

function notAFile(path: string): SluiceError {
  return new SluiceError(`${path} is not a regular file`, {
    kind: 'config',
    code: 'file.bad-path',
    hint: 'Choose the path of a file; records for a pipe go through the stdout sink.',
  });
}

/** The path with the number behind the highest one that is there. */
async function nextNumbered(path: string): Promise<string> {
  const start = `${basename(path)}.`;
  const numbers = (await readdir(dirname(path)))
    .filter((name) => name.startsWith(start) && /^\d+$/.test(name.slice(start.length)))
    .map((name) => Number(name.slice(start.length)));
  const next = numbers.reduce((highest, number) => Math.max(highest, number), 0) + 1;
  return join(dirname(path), `${start}${String(next).padStart(SUFFIX_DIGITS, '0')}`);
}
