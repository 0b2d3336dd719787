import { type Document, MongoClient, type MongoClientOptions, type ReadPreferenceMode } from 'mongodb';
import { SluiceError } from '../../core/failure.ts';
import { classify } from './classify.ts';
import type { MongodbConnection } from './config.ts';
import type { MongoPhase } from './error-rules.ts';
import { safeCause, safeMessage } from './safe-error.ts';

const CONNECT_TIMEOUT_MS = 10_000;
const DEFAULT_SERVER_SELECTION_MS = 10_000;
const CLOSE_LIMIT_MS = 2_000;
const STATE_SOCKET_TIMEOUT_MS = 30_000;
const COMMAND_LIMIT_MS = 15_000;
/** A stream and its watchdog, and the reads of a snapshot beside it; connections are made when needed only. */
const MAX_CONNECTIONS = 20;
const UNSAFE_OPTIONS = ['tlsinsecure', 'tlsallowinvalidcertificates', 'tlsallowinvalidhostnames'];

/** What a client is used for. */
export interface ClientUse {
  /**
   * `stream`: an answer may take as long as the server works on it, the cursor has a watchdog of its own, and nothing
   * is repeated by the driver. `state`: ordinary short reads and writes.
   */
  readonly purpose: 'stream' | 'state';
  readonly signal: AbortSignal;
}

/**
 * A connected client. Errors are classified (phase `connect`) and carry neither the URI nor driver objects; never log
 * or inspect the client itself: it prints the password.
 */
export async function openClient(connection: MongodbConnection, use: ClientUse): Promise<MongoClient> {
  use.signal.throwIfAborted();
  const uri = connection.uri.reveal();
  refuseUnsafe(uri, connection.tls?.insecure === true);
  const client = createClient(uri, clientOptions(connection, use.purpose));
  try {
    return await connect(client, use.signal);
  } catch (error) {
    if (use.signal.aborted) throw use.signal.reason;
    throw classify(error, 'connect', 'connect to MongoDB');
  }
}

/** A client that talks to one member or router only, with the credentials and TLS settings of `client`. */
export async function openMemberClient(client: MongoClient, address: string, use: ClientUse): Promise<MongoClient> {
  use.signal.throwIfAborted();
  try {
    return await connect(new MongoClient(`mongodb://${address}/`, memberOptions(client, use.purpose)), use.signal);
  } catch (error) {
    if (use.signal.aborted) throw use.signal.reason;
    throw classify(error, 'connect', `connect to the member ${address}`);
  }
}

/** Closes the client; never throws and never takes longer than two seconds, also when no server answers any more. */
export async function closeClient(client: MongoClient): Promise<void> {
  const limit = Promise.withResolvers<void>();
  const timer = setTimeout(limit.resolve, CLOSE_LIMIT_MS);
  await Promise.race([client.close().catch(() => {}), limit.promise]);
  clearTimeout(timer);
}

/** What a command on a database is run with. */
export interface CommandContext {
  readonly client: MongoClient;
  readonly phase: MongoPhase;
  /** Completes "cannot …" in the message of a failure. */
  readonly doing: string;
  readonly signal: AbortSignal;
  /** How long to wait for the answer; 15 s when left out. */
  readonly limitMs?: number;
}

/** Runs a short command on the primary or, when given, by read preference; its failure is classified. */
export async function runCommand(
  context: CommandContext,
  db: string,
  command: Document,
  readPreference: ReadPreferenceMode = 'primary',
): Promise<Document> {
  const { client, signal, phase, doing } = context;
  const limit = AbortSignal.timeout(context.limitMs ?? COMMAND_LIMIT_MS);
  try {
    return await client.db(db).command(command, { signal: AbortSignal.any([signal, limit]), readPreference });
  } catch (error) {
    if (signal.aborted) throw signal.reason;
    if (limit.aborted) throw noAnswer(doing);
    throw classify(error, phase, doing);
  }
}

/** A server that was reached but did not answer in time: the connection may be dead without having been closed. */
export function noAnswer(doing: string): SluiceError {
  return new SluiceError(`cannot ${doing}: the server did not answer in time`, {
    kind: 'transient',
    code: 'mongodb.no-answer',
    hint: 'Check the network between Sluice and MongoDB, and the load of the server.',
  });
}

/** Whatever the constructor throws (the driver's own errors, but also a `TypeError` of a URL) is about what it was given. */
function createClient(uri: string, options: MongoClientOptions): MongoClient {
  try {
    return new MongoClient(uri, options);
  } catch (error) {
    throw new SluiceError(`the MongoDB URI or an option is not valid (${safeMessage(error)})`, {
      kind: 'config',
      code: 'mongodb.uri-invalid',
      hint: 'Correct source.mongodb.uri or source.mongodb.tls; special characters in a password must be percent-encoded.',
      cause: safeCause(error),
    });
  }
}

async function connect(client: MongoClient, signal: AbortSignal): Promise<MongoClient> {
  // The driver cannot abandon a connect, but closing the client ends it.
  const abandon = () => void closeClient(client);
  signal.addEventListener('abort', abandon, { once: true });
  try {
    await client.connect();
    signal.throwIfAborted();
    return client;
  } catch (error) {
    await closeClient(client);
    throw error;
  } finally {
    signal.removeEventListener('abort', abandon);
  }
}

function clientOptions(connection: MongodbConnection, purpose: ClientUse['purpose']): MongoClientOptions {
  const { tls } = connection;
  const options = commonOptions(purpose, connection.serverSelectionTimeout ?? DEFAULT_SERVER_SELECTION_MS);
  if (tls === undefined) return options;
  return {
    ...options,
    tls: true,
    ...(tls.caFile === undefined ? {} : { tlsCAFile: tls.caFile }),
    ...(tls.certificateKeyFile === undefined ? {} : { tlsCertificateKeyFile: tls.certificateKeyFile }),
    ...(tls.certificateKeyFilePassword === undefined
      ? {}
      : { tlsCertificateKeyFilePassword: tls.certificateKeyFilePassword.reveal() }),
    ...(tls.insecure ? { tlsAllowInvalidCertificates: true, tlsAllowInvalidHostnames: true } : {}),
  };
}

function memberOptions(client: MongoClient, purpose: ClientUse['purpose']): MongoClientOptions {
  const { credentials, tls, serverSelectionTimeoutMS } = client.options;
  const options: MongoClientOptions = {
    ...commonOptions(purpose, serverSelectionTimeoutMS),
    directConnection: true,
    tls,
    ...(tls ? tlsMaterial(client) : {}),
  };
  if (credentials === undefined) return options;
  const { username, password, source, mechanism, mechanismProperties } = credentials;
  return {
    ...options,
    auth: { username, password },
    authSource: source,
    authMechanism: mechanism,
    authMechanismProperties: mechanismProperties,
  };
}

function tlsMaterial(client: MongoClient): MongoClientOptions {
  const { ca, cert, key, passphrase, rejectUnauthorized, checkServerIdentity } = client.options;
  const given = { ca, cert, key, passphrase, rejectUnauthorized, checkServerIdentity };
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
}

function commonOptions(purpose: ClientUse['purpose'], serverSelectionTimeoutMS: number): MongoClientOptions {
  return {
    appName: 'sluice',
    connectTimeoutMS: CONNECT_TIMEOUT_MS,
    serverSelectionTimeoutMS,
    // A stream's answer may rightly take long; its cursor notices a dead connection by other means.
    socketTimeoutMS: purpose === 'stream' ? 0 : STATE_SOCKET_TIMEOUT_MS,
    maxPoolSize: MAX_CONNECTIONS,
    retryReads: purpose === 'state',
  };
}

/** Options of a URI that would undo what this connector promises. */
function refuseUnsafe(uri: string, insecure: boolean): void {
  const query = new URLSearchParams(uri.slice(uri.indexOf('?') + 1));
  for (const [name, value] of query) {
    const option = name.toLowerCase();
    if (value !== 'true') continue;
    if (UNSAFE_OPTIONS.includes(option) && !insecure) {
      throw new SluiceError(`the MongoDB URI sets ${name}, which accepts any certificate`, {
        kind: 'config',
        code: 'mongodb.insecure-tls',
        hint: 'Name the certificate authority in tls.caFile; or say tls.insecure: true if nothing else is possible.',
      });
    }
    if (option === 'loadbalanced') {
      throw new SluiceError('the MongoDB URI sets loadBalanced, through which a change stream cannot be read here', {
        kind: 'config',
        code: 'mongodb.load-balanced',
        hint: 'Connect to the members of the replica set or to the mongos routers themselves.',
      });
    }
  }
}
