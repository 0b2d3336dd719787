import { type FileHandle, mkdir, open, rename } from 'node:fs/promises';
import { dirname } from 'node:path';

/** Who may read what is written: the owner alone, for what is Sluice's own or holds rejected documents. */
export const PRIVATE_FILE = 0o600;

/** Writes all of it; a single write may take less than it was given. */
export async function writeFully(handle: FileHandle, bytes: Uint8Array): Promise<void> {
  for (let offset = 0; offset < bytes.byteLength; ) {
    const { bytesWritten } = await handle.write(bytes, offset);
    offset += bytesWritten;
  }
}

/** Makes the names in a directory durable: files that were made, renamed or removed there. */
export async function syncDirectory(path: string): Promise<void> {
  // Windows has no such thing: opening a directory fails there.
  if (process.platform === 'win32') return;
  await using handle = await open(path, 'r');
  await handle.sync();
}

/** Makes the directory and its parents, durably. What exists is left alone. */
export async function makeDirectory(path: string): Promise<void> {
  const first = await mkdir(path, { recursive: true, mode: 0o750 });
  if (first === undefined) return;
  for (let made = path; ; made = dirname(made)) {
    await syncDirectory(dirname(made));
    if (made === first || made === dirname(made)) return;
  }
}

/**
 * Puts a file with this text in the place of `path`, atomically and durably: after a crash there is the old file or
 * the new one, whole. `temporary` is a name in the same directory that nobody else uses.
 */
export async function replaceFile(path: string, temporary: string, bytes: Uint8Array): Promise<void> {
  {
    await using handle = await open(temporary, 'w', PRIVATE_FILE);
    await writeFully(handle, bytes);
    await handle.sync();
  }
  await rename(temporary, path);
  await syncDirectory(dirname(path));
}
