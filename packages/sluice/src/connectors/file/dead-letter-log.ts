import { type FileHandle, open, rename, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { DeadLetter } from '../../core/dead-letter.ts';
import { SluiceError } from '../../core/failure.ts';
import { errnoOf, ifExists } from './classify.ts';
import { decodeStep, encodeStep, type LogStep } from './dead-letter-line.ts';
import { PRIVATE_FILE, syncDirectory, writeFully } from './durable.ts';
import { readLines } from './read-lines.ts';

const NEWLINE = 0x0a;
const BLOCK_BYTES = 1024 * 1024;

/** A compaction takes seconds; the file of one that was killed may be removed after this long. */
const ABANDONED_AFTER_MS = 10 * 60_000;

/** Where the newest line of an entry is. Entries are in the order in which they were first put. */
interface Entry {
  readonly offset: number;
  readonly bytes: number;
  readonly attempts: number;
}

/**
 * Appends the steps, durably. Other processes may append and compact at the same time: when the path leads to another
 * file afterwards, a compaction may have missed the lines, and they are appended again, which changes nothing.
 */
export async function appendSteps(path: string, steps: readonly LogStep[]): Promise<void> {
  if (steps.length === 0) return;
  const lines = steps.map(encodeStep).join('');
  for (;;) {
    await using handle = await open(path, 'a+', PRIVATE_FILE);
    const { size, ino } = await handle.stat({ bigint: true });
    const torn = size > 0n && (await lastByte(handle, Number(size))) !== NEWLINE;
    await writeFully(handle, Buffer.from(torn ? `\n${lines}` : lines));
    await handle.sync();
    if (size === 0n) await syncDirectory(dirname(path));
    if ((await ifExists(stat(path, { bigint: true })))?.ino === ino) return;
  }
}

/** The entries of one pipeline, in order. What other processes do meanwhile is not seen. */
export async function* readEntries(path: string, pipeline: string): AsyncGenerator<DeadLetter> {
  const handle = await ifExists(open(path, 'r'));
  if (handle === undefined) return;
  try {
    for (const entry of (await indexOf(handle, path, pipeline)).values()) yield await readEntry(handle, path, entry);
  } finally {
    await handle.close();
  }
}

/** One entry of a pipeline. */
export async function readOne(path: string, pipeline: string, id: string): Promise<DeadLetter | undefined> {
  const handle = await ifExists(open(path, 'r'));
  if (handle === undefined) return undefined;
  try {
    const entry = (await indexOf(handle, path, pipeline)).get(keyOf(pipeline, id));
    return entry && (await readEntry(handle, path, entry));
  } finally {
    await handle.close();
  }
}

/**
 * Writes the log anew without what was removed or replaced, when that is at least half of it. Does nothing while
 * another process is at it. Lines that are appended meanwhile are taken over, before and after the exchange.
 */
export async function compact(path: string): Promise<void> {
  const temporary = `${path}.compacting`;
  const target = await openExclusive(temporary);
  if (target === undefined) return;
  let exchanged = false;
  try {
    await using source = await open(path, 'r');
    const { size } = await source.stat();
    const entries = await indexOf(source, path);
    const live = [...entries.values()].reduce((sum, { bytes }) => sum + bytes, 0);
    if (size === 0 || live * 2 > size) return;
    for (const entry of entries.values()) {
      await writeFully(target, Buffer.from(encodeStep({ put: await readEntry(source, path, entry) })));
    }
    const copied = await copyTail(source, size, target);
    await target.sync();
    await rename(temporary, path);
    exchanged = true;
    await copyTail(source, copied, target);
    await target.sync();
    await syncDirectory(dirname(path));
  } finally {
    await target.close();
    if (!exchanged) await rm(temporary, { force: true });
  }
}

/** The file that only one process can make; undefined when another has it. */
async function openExclusive(path: string): Promise<FileHandle | undefined> {
  try {
    return await open(path, 'ax', PRIVATE_FILE);
  } catch (error) {
    if (errnoOf(error) !== 'EEXIST') throw error;
  }
  const other = await ifExists(stat(path));
  if (other !== undefined && Date.now() - other.mtimeMs > ABANDONED_AFTER_MS) await rm(path, { force: true });
  return undefined;
}

/** Appends to `target` what `source` has behind `from`, until there is no more; returns the end. */
async function copyTail(source: FileHandle, from: number, target: FileHandle): Promise<number> {
  const block = Buffer.allocUnsafe(BLOCK_BYTES);
  for (let at = from; ; ) {
    const { bytesRead } = await source.read(block, 0, BLOCK_BYTES, at);
    if (bytesRead === 0) return at;
    await writeFully(target, block.subarray(0, bytesRead));
    at += bytesRead;
  }
}

/** The entries that are left after all steps, by pipeline and id; of one pipeline, or of all. */
async function indexOf(handle: FileHandle, path: string, pipeline?: string): Promise<ReadonlyMap<string, Entry>> {
  const entries = new Map<string, Entry>();
  for await (const { bytes, offset, complete } of readLines(handle)) {
    // A line without its end may still be being written; nobody was told yet that it is there.
    const step = complete ? decode(bytes, path, offset) : undefined;
    if (step === undefined) continue;
    const { pipeline: owner, id } = 'put' in step ? step.put : step.removed;
    if (pipeline !== undefined && owner !== pipeline) continue;
    const key = keyOf(owner, id);
    if ('put' in step) {
      const attempts = Math.max(step.put.attempts, entries.get(key)?.attempts ?? 0);
      entries.set(key, { offset, bytes: bytes.length, attempts });
    } else entries.delete(key);
  }
  return entries;
}

async function readEntry(handle: FileHandle, path: string, { offset, bytes, attempts }: Entry): Promise<DeadLetter> {
  const line = Buffer.allocUnsafe(bytes);
  for (let filled = 0; filled < bytes; ) {
    const { bytesRead } = await handle.read(line, filled, bytes - filled, offset + filled);
    if (bytesRead === 0) throw damaged(path, offset);
    filled += bytesRead;
  }
  const step = decode(line, path, offset);
  if (step === undefined || !('put' in step)) throw damaged(path, offset);
  return { ...step.put, attempts };
}

function decode(line: Buffer, path: string, offset: number): LogStep | undefined {
  try {
    return decodeStep(line);
  } catch (cause) {
    throw damaged(path, offset, cause);
  }
}

function damaged(path: string, offset: number, cause?: unknown): SluiceError {
  return new SluiceError(`the dead letters in ${path} are damaged at byte ${offset}`, {
    kind: 'config',
    code: 'file.dead-letters-damaged',
    hint: 'Repair or remove the line there; new dead letters are still added.',
    cause,
  });
}

function keyOf(pipeline: string, id: string): string {
  return `${pipeline}\0${id}`;
}

async function lastByte(handle: FileHandle, sizeBytes: number): Promise<number | undefined> {
  const { buffer } = await handle.read(Buffer.alloc(1), 0, 1, sizeBytes - 1);
  return buffer[0];
}
