import { type FailureKind, SluiceError } from '../../core/failure.ts';

interface Rule {
  readonly kind: FailureKind;
  readonly code: string;
  readonly says: string;
  readonly hint?: string;
}

const DISK_FULL: Rule = {
  kind: 'transient',
  code: 'file.disk-full',
  says: 'there is no space left',
  hint: 'Make room or raise the quota; Sluice keeps trying and nothing is lost.',
};

const DENIED: Rule = {
  kind: 'config',
  code: 'file.permission-denied',
  says: 'the permission is missing',
  hint: 'Give the user that runs Sluice the right to write there, or choose another path.',
};

const BAD_PATH: Rule = {
  kind: 'config',
  code: 'file.bad-path',
  says: 'the path cannot be used',
  hint: 'Choose another path; its parent must be a directory and the file a regular file.',
};

const TOO_MANY_OPEN: Rule = {
  kind: 'transient',
  code: 'file.too-many-open',
  says: 'too many files are open',
  hint: 'Raise the limit of open files (`ulimit -n`).',
};

const READ_ONLY: Rule = {
  kind: 'transient',
  code: 'file.read-only',
  says: 'the file system is read-only',
  hint: 'Mount it for writing; Sluice keeps trying.',
};

const TOO_LARGE: Rule = {
  kind: 'config',
  code: 'file.too-large',
  says: 'the file may not grow further',
  hint: 'Set `rotate.bytes`, or raise the limit of file sizes (`ulimit -f`).',
};

const IO_ERROR: Rule = {
  kind: 'transient',
  code: 'file.io-error',
  says: 'the disk or the file system reports an error',
  hint: 'Look at the log of the system; Sluice keeps trying.',
};

const GONE: Rule = { kind: 'transient', code: 'file.gone', says: 'it was removed meanwhile' };

const BY_ERRNO: Readonly<Record<string, Rule>> = {
  ENOSPC: DISK_FULL,
  EDQUOT: DISK_FULL,
  EACCES: DENIED,
  EPERM: DENIED,
  EEXIST: BAD_PATH,
  ENOTDIR: BAD_PATH,
  EISDIR: BAD_PATH,
  ENAMETOOLONG: BAD_PATH,
  ELOOP: BAD_PATH,
  EINVAL: BAD_PATH,
  ENXIO: BAD_PATH,
  EMFILE: TOO_MANY_OPEN,
  ENFILE: TOO_MANY_OPEN,
  EROFS: READ_ONLY,
  EFBIG: TOO_LARGE,
  EIO: IO_ERROR,
  ESTALE: IO_ERROR,
  ETIMEDOUT: IO_ERROR,
  EBUSY: IO_ERROR,
  EAGAIN: IO_ERROR,
  ENOMEM: IO_ERROR,
  ENOENT: GONE,
};

/**
 * The error of the file system as a `SluiceError`; total, an errno that no rule knows is `internal`. `doing` is what
 * was attempted, with the path ("append to data/orders.ndjson"). A `SluiceError` passes through.
 */
export function classify(error: unknown, doing: string): SluiceError {
  if (error instanceof SluiceError) return error;
  const errno = errnoOf(error);
  const rule = BY_ERRNO[errno ?? ''];
  if (rule === undefined) {
    const detail = error instanceof Error ? error.message : String(error);
    return new SluiceError(`cannot ${doing}: ${detail}`, { kind: 'internal', code: 'file.unexpected', cause: error });
  }
  const { kind, code, says, hint } = rule;
  return new SluiceError(`cannot ${doing}: ${says} (${errno})`, { kind, code, hint, cause: error });
}

/** The name of a system error, e.g. `ENOENT`; undefined for every other error. */
export function errnoOf(error: unknown): string | undefined {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  return typeof code === 'string' ? code : undefined;
}

/** What `work` gives; undefined when the file it is about does not exist. */
export async function ifExists<T>(work: Promise<T>): Promise<T | undefined> {
  try {
    return await work;
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}

/** Runs `work` and classifies what it throws. */
export async function classified<T>(doing: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw classify(error, doing);
  }
}
