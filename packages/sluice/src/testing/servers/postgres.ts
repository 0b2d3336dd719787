import { appendFile, copyFile, mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ClientConfig } from 'pg';
import type { Certificates } from './certificates.ts';
import { findPostgres } from './find-postgres.ts';
import { freePorts } from './free-port.ts';
import { type PostgresAccount, postgresAccount, reachable, runAs } from './postgres-account.ts';
import { makePostgresSecurity, type PostgresLogin, type PostgresSecurity } from './postgres-security.ts';
import { Postmaster } from './postmaster.ts';
import { openServerHome, type ServerHome } from './server-home.ts';

/** What kind of PostgreSQL to start. */
export interface PostgresOptions {
  /** `scram`: clients log in with a password. Default: everybody on this machine gets in. */
  readonly auth?: 'scram';
  /** True: clients must speak TLS; `mutual`: with a certificate of their own. The CA is the server's own. */
  readonly tls?: boolean | 'mutual';
  /** Further lines of postgresql.conf, e.g. `max_connections = 20`. */
  readonly config?: readonly string[];
}

/** A running PostgreSQL. Disposing it stops it and removes its data; so does the end of this process. */
export interface PostgresServer extends AsyncDisposable {
  /** Connection string of the superuser, with his password if there is one. It says nothing of TLS. */
  readonly uri: string;
  /** The same for the `pg` library, with TLS. */
  readonly connection: ClientConfig;
  /** User and password; with `auth` only. */
  readonly login: PostgresLogin | undefined;
  /** Certificates; with `tls` only. */
  readonly tls: Certificates | undefined;
  readonly port: number;
  /** Folder with its settings, log and data. */
  readonly dir: string;
  /** Process number of the present run. */
  readonly pid: number;
  /**
   * Stops it with all its processes, SIGINT by default (disconnects clients, a clean stop; SIGTERM waits for them). SIGKILL
   * kills and SIGSTOP pauses every process of it. Data and port stay.
   */
  stop(signal?: NodeJS.Signals): Promise<void>;
  /** Starts it again where it was (after SIGSTOP: continues it); resolves when it answers a query. */
  start(): Promise<void>;
}

const ATTEMPTS = 3;
/**
 * A killed server loses nothing with these: only the machine may not stop. What shares memory stays in the folder. Nobody
 * but the tests takes locks.
 */
const SETTINGS = [
  'autovacuum = off',
  'fsync = off',
  'full_page_writes = off',
  "listen_addresses = '127.0.0.1'",
  "unix_socket_directories = ''",
  'dynamic_shared_memory_type = mmap',
  "timezone = 'UTC'",
  "log_timezone = 'UTC'",
];

/**
 * Starts PostgreSQL on a free loopback port with a folder of its own; a query has been answered when it resolves. Started
 * by root it runs as the user `nobody`. Errors: no PostgreSQL found, it does not start, openssl missing (with `tls`).
 */
export async function startPostgres(options: PostgresOptions = {}): Promise<PostgresServer> {
  const bin = await findPostgres();
  for (let attempt = 1; ; attempt++) {
    const home = await openServerHome('postgres');
    try {
      return await startIn(home, bin, options);
    } catch (error) {
      await home[Symbol.asyncDispose]();
      // Somebody may have taken a port between the choice and the start.
      const portTaken = error instanceof Error && /address already in use/i.test(error.message);
      if (!portTaken || attempt >= ATTEMPTS) throw error;
    }
  }
}

let shared: Promise<string> | undefined;

/**
 * Connection string of the PostgreSQL that a test run shares: `SLUICE_TEST_POSTGRES`, else one that is started once for
 * this process and stopped when it ends. Use schemas or tables of your own in it.
 */
export function testPostgres(): Promise<string> {
  const uri = process.env['SLUICE_TEST_POSTGRES'];
  if (uri !== undefined && uri !== '') return Promise.resolve(uri);
  shared ??= startPostgres().then((server) => server.uri);
  return shared;
}

async function startIn(home: ServerHome, found: string, options: PostgresOptions): Promise<PostgresServer> {
  const account = await postgresAccount(home.dir);
  const bin = await reachable(account, found, home.dir);
  const [port = 0] = await freePorts(1);
  const security = await makePostgresSecurity(home.dir, options);
  await makeData(home, account, bin, security);
  await appendFile(
    join(home.dir, 'data', 'postgresql.conf'),
    [...SETTINGS, `port = ${port}`, ...clusterName(home.dir), ...security.lines, ...(options.config ?? []), ''].join(
      '\n',
    ),
  );
  const connection: ClientConfig = {
    host: '127.0.0.1',
    port,
    user: 'postgres',
    database: 'postgres',
    ...(security.login === undefined ? {} : { password: security.login.password }),
    ...(security.ssl === undefined ? {} : { ssl: security.ssl }),
  };
  const server = new Postmaster(home, [...account.prefix, join(bin, 'postgres')], connection);
  await server.start();
  const user = security.login === undefined ? 'postgres' : `postgres:${security.login.password}`;
  return {
    uri: `postgres://${user}@127.0.0.1:${port}/postgres`,
    connection,
    login: security.login,
    tls: security.tls,
    port,
    dir: home.dir,
    get pid() {
      return server.pid;
    },
    stop: (signal = 'SIGINT') => server.stop(signal),
    start: () => server.start(),
    async [Symbol.asyncDispose]() {
      // Killed alone it would leave the other processes, and a piece of shared memory, behind.
      await server.end();
      await home[Symbol.asyncDispose]();
    },
  };
}

async function makeData(
  home: ServerHome,
  account: PostgresAccount,
  bin: string,
  security: PostgresSecurity,
): Promise<void> {
  const data = join(home.dir, 'data');
  await mkdir(data, { mode: 0o700 });
  await account.own(data);
  const basics = ['--username=postgres', '--encoding=UTF8', '--locale=C', '--auth=trust', '--no-sync'];
  const passwordFile = join(home.dir, 'password');
  if (security.login !== undefined) {
    await writeFile(passwordFile, security.login.password, { mode: 0o600 });
    await account.own(passwordFile);
    basics.push(`--pwfile=${passwordFile}`);
  }
  await runAs(account, [join(bin, 'initdb'), '-D', data, ...basics], home.dir);
  await rm(passwordFile, { force: true });
  await writeFile(join(data, 'pg_hba.conf'), security.access);
  if (security.tls === undefined) return;
  for (const [from, name] of [
    [security.tls.caFile, 'ca.pem'],
    [security.tls.serverFile, 'server.pem'],
  ] as const) {
    await copyFile(from, join(data, name));
    await account.own(join(data, name));
  }
}

/** Stands in the title of each of its processes, by which the watchdog knows them. At most 63 bytes. */
function clusterName(dir: string): string[] {
  return dir.length > 63 ? [] : [`cluster_name = '${dir}'`];
}
