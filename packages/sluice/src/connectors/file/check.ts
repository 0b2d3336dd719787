import { access, constants, stat, statfs } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import type { Finding } from '../../core/connector.ts';
import { errnoOf } from './classify.ts';
import { fixedDirectory } from './path-template.ts';

const LOW_SPACE_BYTES = 1024 ** 3;

/** What `sluice doctor` says about a place on the disk. `path` is a file (placeholders allowed) or a directory. */
export async function checkPlace(path: string, what: 'file' | 'directory'): Promise<readonly Finding[]> {
  const isTemplate = what === 'file' && path.includes('{');
  const target = resolve(isTemplate ? fixedDirectory(path) : path);
  const wanted = isTemplate ? 'directory' : what;
  try {
    const existing = await nearestExisting(target);
    const writable = await checkWritable({ target, existing, wanted });
    return writable.level === 'ok' ? [writable, await checkSpace(existing)] : [writable];
  } catch (error) {
    const message = `${target} cannot be looked at (${errnoOf(error) ?? String(error)})`;
    return [{ check: 'file.writable', level: 'error', message, fix: 'Check the path and its permissions.' }];
  }
}

interface Candidate {
  readonly target: string;
  readonly existing: string;
  readonly wanted: 'file' | 'directory';
}

async function checkWritable({ target, existing, wanted }: Candidate): Promise<Finding> {
  const check = 'file.writable';
  const isDirectory = (await stat(existing)).isDirectory();
  const needsDirectory = existing !== target || wanted === 'directory';
  if (isDirectory !== needsDirectory) {
    const message = `${existing} is ${isDirectory ? 'a directory' : 'not a directory'}`;
    return { check, level: 'error', message, fix: 'Choose another path.' };
  }
  try {
    await access(existing, isDirectory ? constants.W_OK | constants.X_OK : constants.W_OK);
  } catch {
    const fix = `Give the user that runs Sluice the right to write: chown or chmod ${existing}`;
    return { check, level: 'error', message: `${existing} cannot be written to`, fix };
  }
  const message = existing === target ? `${target} can be written to` : `${target} can be made`;
  return { check, level: 'ok', message };
}

async function checkSpace(path: string): Promise<Finding> {
  const { bavail, bsize } = await statfs(path);
  const freeBytes = bavail * bsize;
  const message = `${(freeBytes / 1024 ** 3).toFixed(1)} GiB are free at ${path}`;
  if (freeBytes >= LOW_SPACE_BYTES) return { check: 'file.space', level: 'ok', message };
  return { check: 'file.space', level: 'warning', message, fix: 'Make room: a full disk stops the delivery.' };
}

/** The path itself or its nearest parent that exists. */
async function nearestExisting(path: string): Promise<string> {
  for (let candidate = path; ; candidate = dirname(candidate)) {
    try {
      await stat(candidate);
      return candidate;
    } catch (error) {
      const missing = errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ENOTDIR';
      if (!missing || candidate === dirname(candidate)) throw error;
    }
  }
}
