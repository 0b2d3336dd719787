import { chmod, chown, cp } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { SluiceError } from '../../core/failure.ts';
import { runProgram } from './server-cache.ts';

const LIMIT_MS = 120_000;
const OTHER_USER = 'nobody';

/** The user who runs PostgreSQL, which refuses to run as root. */
export interface PostgresAccount {
  /** What goes before a command line so that this user runs it; it ends in the same process. */
  readonly prefix: readonly string[];
  /** Makes a file or folder his own. */
  own(path: string): Promise<void>;
}

/** This process' user or, when that is root, `nobody`, who must then be able to pass through `dir`. */
export async function postgresAccount(dir: string): Promise<PostgresAccount> {
  if (process.getuid?.() !== 0) return { prefix: [], own: async () => undefined };
  const [uid, gid] = await Promise.all([idOf('-u'), idOf('-g')]);
  // Enough to open what is in it by name, not to list it.
  await chmod(dir, 0o711);
  return {
    prefix: ['setpriv', `--reuid=${uid}`, `--regid=${gid}`, '--clear-groups'],
    own: (path) => chown(path, uid, gid),
  };
}

async function idOf(option: '-u' | '-g'): Promise<number> {
  const id = Number((await runProgram('id', [option, OTHER_USER], { timeoutMs: LIMIT_MS })).trim());
  if (Number.isInteger(id) && id > 0) return id;
  throw new SluiceError(`PostgreSQL cannot run as root, and there is no user ${OTHER_USER}`, {
    kind: 'config',
    code: 'testbed.postgres-user',
    hint: 'Run the tests as an ordinary user, or set SLUICE_TEST_POSTGRES.',
  });
}

/** Runs a program as the account's user. */
export async function runAs(account: PostgresAccount, command: readonly string[], cwd: string): Promise<string> {
  const [program = '', ...args] = [...account.prefix, ...command];
  return runProgram(program, args, { cwd, timeoutMs: LIMIT_MS });
}

/**
 * The folder of programs as the account can use it: as it is, or a copy in `dir` when it lies where only root may look,
 * as the cache in root's own folder does. (The programs find their libraries and files relative to themselves.)
 */
export async function reachable(account: PostgresAccount, bin: string, dir: string): Promise<string> {
  if (account.prefix.length === 0) return bin;
  try {
    await runAs(account, [join(bin, 'postgres'), '--version'], dir);
    return bin;
  } catch {
    const copy = join(dir, 'program');
    await cp(dirname(bin), copy, { recursive: true, verbatimSymlinks: true });
    return join(copy, 'bin');
  }
}
