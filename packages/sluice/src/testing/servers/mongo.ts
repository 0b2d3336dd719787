import { randomBytes } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Certificates, makeCertificates } from './certificates.ts';
import { findMongod } from './find-mongod.ts';
import { freePorts } from './free-port.ts';
import { type MongoMember, planMember, waitForHello, withMongo } from './mongo-member.ts';
import { openServerHome, type ServerHome } from './server-home.ts';

export type { MongoMember } from './mongo-member.ts';

/** What kind of replica set to start. */
export interface MongoOptions {
  /** 1 by default. Three elect a new primary about 2 to 4 s after the present one is killed. */
  readonly members?: 1 | 3;
  /** True: a key file, access control, and a user `root`, which `uri` carries. */
  readonly auth?: boolean;
  /** True: TLS only, with certificates of their own; `uri` names the CA. Client certificates are optional. */
  readonly tls?: boolean;
  /** 1 makes an oplog that overflows within seconds (it is also cut every second). The server's default otherwise. */
  readonly oplogSizeMb?: number;
  /** Further arguments of mongod. */
  readonly args?: readonly string[];
}

/** A running replica set. Disposing it stops it and removes its data; so does the end of this process, however it ends. */
export interface MongoServer extends AsyncDisposable {
  /** Replica-set URI, usable by the driver as it is (`directConnection` only with one member). */
  readonly uri: string;
  readonly members: readonly MongoMember[];
  /** Present with `auth`. */
  readonly rootUser: MongoCredentials | undefined;
  /** Present with `tls`. */
  readonly certificates: Certificates | undefined;
  /** The URI with other credentials, or with none (`undefined`). */
  uriFor(credentials: MongoCredentials | undefined): string;
}

/** A user as it logs in. */
export interface MongoCredentials {
  readonly user: string;
  readonly password: string;
}

const SET_NAME = 'sluice';
const ATTEMPTS = 3;
const ELECTION_TIMEOUT_MS = 2000;
const HEARTBEAT_INTERVAL_MS = 500;

/**
 * Starts mongod as a replica set on free loopback ports with a folder of its own; ready for writes when it resolves.
 * Errors: no mongod found, it does not start, openssl missing (with `tls`).
 */
export async function startMongo(options: MongoOptions = {}): Promise<MongoServer> {
  const mongod = await findMongod();
  for (let attempt = 1; ; attempt++) {
    const home = await openServerHome('mongo');
    try {
      return await startIn(home, mongod, options);
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
 * URI of the replica set that a test run shares: `SLUICE_TEST_MONGO`, else one that is started once for this process
 * and stopped when it ends. Use databases of your own in it.
 */
export function testMongo(): Promise<string> {
  const address = process.env['SLUICE_TEST_MONGO'];
  if (address !== undefined && address !== '') return Promise.resolve(address);
  shared ??= startMongo().then((server) => server.uri);
  return shared;
}

async function startIn(home: ServerHome, mongod: string, options: MongoOptions): Promise<MongoServer> {
  const count = options.members ?? 1;
  const ports = await freePorts(count);
  const certificates = options.tls === true ? await certificatesIn(home) : undefined;
  const args = await memberArgs(home, options, certificates);
  const rootUser = options.auth === true ? { user: 'root', password: randomBytes(12).toString('hex') } : undefined;
  let login: MongoCredentials | undefined;
  const uriOf = (port: number) => buildUri([port], login, certificates);
  const members = ports.map((port, index) => planMember({ home, mongod, name: `member${index}`, port, args, uriOf }));
  await Promise.all(members.map((member) => member.launch()));
  await initiate(uriOf, ports);
  if (rootUser !== undefined) {
    const primaryPort = await findPrimaryPort(uriOf, ports);
    await createRoot(uriOf(primaryPort), rootUser);
    login = rootUser;
  }
  const uriFor = (credentials: MongoCredentials | undefined) => buildUri(ports, credentials, certificates);
  return {
    uri: uriFor(rootUser),
    members,
    rootUser,
    certificates,
    uriFor,
    [Symbol.asyncDispose]: () => home[Symbol.asyncDispose](),
  };
}

async function certificatesIn(home: ServerHome): Promise<Certificates> {
  const dir = join(home.dir, 'tls');
  await mkdir(dir);
  return makeCertificates(dir);
}

async function memberArgs(home: ServerHome, options: MongoOptions, certificates: Certificates | undefined) {
  const args = ['--replSet', SET_NAME, '--wiredTigerCacheSizeGB', '0.25'];
  if (options.oplogSizeMb !== undefined) {
    args.push('--oplogSize', String(options.oplogSizeMb), '--syncdelay', '1');
  }
  if (options.auth === true) {
    const keyFile = join(home.dir, 'keyfile');
    await writeFile(keyFile, randomBytes(96).toString('base64'), { mode: 0o400 });
    args.push('--auth', '--keyFile', keyFile);
  }
  if (certificates !== undefined) {
    args.push('--tlsMode', 'requireTLS', '--tlsCertificateKeyFile', certificates.serverFile);
    args.push('--tlsCAFile', certificates.caFile, '--tlsAllowConnectionsWithoutCertificates');
  }
  return [...args, ...(options.args ?? [])];
}

async function initiate(uriOf: (port: number) => string, ports: readonly number[]): Promise<void> {
  const first = ports[0] as number;
  const config = {
    _id: SET_NAME,
    members: ports.map((port, _id) => ({ _id, host: `127.0.0.1:${port}` })),
    settings: { electionTimeoutMillis: ELECTION_TIMEOUT_MS, heartbeatIntervalMillis: HEARTBEAT_INTERVAL_MS },
  };
  await withMongo(uriOf(first), (client) => client.db('admin').command({ replSetInitiate: config }));
  await findPrimaryPort(uriOf, ports);
  for (const port of ports) {
    await waitForHello(uriOf(port), (hello) => hello['isWritablePrimary'] === true || hello['secondary'] === true);
  }
}

async function findPrimaryPort(uriOf: (port: number) => string, ports: readonly number[]): Promise<number> {
  const hello = await waitForHello(uriOf(ports[0] as number), (answer) => typeof answer['primary'] === 'string');
  const port = Number(String(hello['primary']).split(':').at(-1));
  await waitForHello(uriOf(port), (answer) => answer['isWritablePrimary'] === true);
  return port;
}

/** The first user may be created without a login from the loopback interface. */
async function createRoot(uri: string, root: MongoCredentials): Promise<void> {
  await withMongo(uri, (client) =>
    client.db('admin').command({
      createUser: root.user,
      pwd: root.password,
      roles: ['root'],
      writeConcern: { w: 'majority' },
    }),
  );
}

function buildUri(
  ports: readonly number[],
  login: MongoCredentials | undefined,
  certificates: Certificates | undefined,
): string {
  const query = new URLSearchParams(ports.length === 1 ? { directConnection: 'true' } : { replicaSet: SET_NAME });
  if (login !== undefined) query.set('authSource', 'admin');
  if (certificates !== undefined) {
    query.set('tls', 'true');
    query.set('tlsCAFile', certificates.caFile);
  }
  const userInfo =
    login === undefined ? '' : `${encodeURIComponent(login.user)}:${encodeURIComponent(login.password)}@`;
  const hosts = ports.map((port) => `127.0.0.1:${port}`).join(',');
  return `mongodb://${userInfo}${hosts}/?${query.toString()}`;
}
