import { Admin, type Broker, type Connection } from '@platformatic/kafka';
import { SluiceError } from '../../core/failure.ts';
import { abortable } from './abortable.ts';
import { BrokerLink } from './broker-link.ts';
import { failureOf, type KafkaPhase } from './classify.ts';
import type { KafkaConnectionConfig } from './config.ts';
import { connectionOptions } from './connection-options.ts';
import { METADATA } from './protocol.ts';

const CLOSE_LIMIT_MS = 2000;

/** A topic as the cluster describes it now. */
export interface TopicState {
  /** Kafka's error code; 0 when everything is fine. */
  readonly errorCode: number;
  /** Node id of the leader by partition; -1 for none. */
  readonly leaders: readonly number[];
}

/**
 * A connection to a Kafka cluster: finds brokers and leaders. The library's client does the rest (sockets, login,
 * framing); nothing is retried here beyond trying another broker.
 */
export class KafkaClient implements AsyncDisposable {
  /** The library's client, for topics and their settings. */
  readonly admin: Admin;
  readonly #config: KafkaConnectionConfig;
  readonly #links = new WeakMap<Connection, Promise<BrokerLink>>();
  readonly #connections: ReadonlySet<Connection>;
  #brokers = new Map<number, Broker>();

  private constructor(config: KafkaConnectionConfig, library: Library) {
    this.#config = config;
    this.admin = library.admin;
    this.#connections = library.connections;
  }

  /** Connects to the first broker that answers. Throws classified errors (phase `connect`). */
  static async open(config: KafkaConnectionConfig, signal: AbortSignal): Promise<KafkaClient> {
    const client = new KafkaClient(config, await openLibrary(config));
    try {
      await client.run('connect', signal, () => client.connectToAny());
      return client;
    } catch (error) {
      await client[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** How long one request may take. */
  get requestTimeoutMs(): number {
    return this.#config.requestTimeout;
  }

  /** Runs something that talks to Kafka; its errors come out classified, an abort at once and unchanged. */
  async run<T>(phase: KafkaPhase, signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    try {
      signal.throwIfAborted();
      return await abortable(work(), signal);
    } catch (error) {
      throw failureOf(error, phase, signal);
    }
  }

  /** A connection to a broker by its node id; with an id nobody knows, after asking for the brokers again. */
  async connectTo(nodeId: number): Promise<BrokerLink> {
    if (!this.#brokers.has(nodeId)) await this.describeTopics([]);
    const broker = this.#brokers.get(nodeId);
    if (broker === undefined) throw unreachable(`broker ${nodeId} is not part of the cluster now`);
    return this.#link(await this.admin.connections.get(broker));
  }

  /** A connection to any broker that answers. */
  async connectToAny(): Promise<BrokerLink> {
    const known = [...this.#brokers.values()];
    const bootstrap = this.#config.brokers.map(parseBroker);
    return this.#link(await this.admin.connections.getFirstAvailable([...known, ...bootstrap]));
  }

  /** How many brokers the cluster has now. */
  async countBrokers(): Promise<number> {
    await this.describeTopics([]);
    return this.#brokers.size;
  }

  /** State of the topics now; one that does not exist has its error code. Never creates topics. */
  async describeTopics(topics: readonly string[]): Promise<Map<string, TopicState>> {
    const link = await this.connectToAny();
    const response = await keepResponse(link.api(METADATA).async(link.connection, [...topics], false, false));
    this.#brokers = new Map(response.brokers.map(({ nodeId, host, port }) => [nodeId, { host, port }]));
    return new Map(
      response.topics.map(({ name, errorCode, partitions }) => {
        const leaders = Array.from({ length: partitions.length }, () => -1);
        for (const { partitionIndex, leaderId } of partitions) leaders[partitionIndex] = leaderId;
        return [name ?? '', { errorCode, leaders }];
      }),
    );
  }

  #link(connection: Connection): Promise<BrokerLink> {
    let link = this.#links.get(connection);
    if (link === undefined) {
      link = BrokerLink.over(connection);
      this.#links.set(connection, link);
      link.catch(() => this.#links.delete(connection));
    }
    return link;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await closeLibrary({ admin: this.admin, connections: this.#connections });
  }
}

interface Library {
  readonly admin: Admin;
  readonly connections: ReadonlySet<Connection>;
}

async function openLibrary(config: KafkaConnectionConfig): Promise<Library> {
  const admin = new Admin({
    clientId: config.clientId,
    bootstrapBrokers: [...config.brokers],
    retries: 1,
    retryDelay: 100,
    timeout: config.requestTimeout,
    ...(await connectionOptions(config)),
  });
  const connections = new Set<Connection>();
  admin.connections.on('connecting', ({ connection }) => {
    connections.add(connection);
    // The library listens for the first error of a connection only; a second one (a reset after a refused login)
    // would end the process.
    connection.on('error', () => {});
    connection.once('close', () => connections.delete(connection));
  });
  return { admin, connections };
}

/** Closing waits until everything written has left, which a stopped broker never lets happen: then the sockets are cut. */
async function closeLibrary({ admin, connections }: Library): Promise<void> {
  const cutAll = () => {
    for (const { socket } of connections) socket?.destroy();
  };
  const cut = setTimeout(cutAll, CLOSE_LIMIT_MS);
  try {
    await admin.close();
  } catch {
    // A connection that fails while it is closed is closed.
  } finally {
    clearTimeout(cut);
    // The library forgets connections that failed, but not all of them are closed then.
    cutAll();
  }
}

/** A response with errors in it is thrown by the library as an error that holds the response. */
async function keepResponse<T>(request: Promise<T>): Promise<T> {
  try {
    return await request;
  } catch (error) {
    const response = (error as { response?: T }).response;
    if (response === undefined) throw error;
    return response;
  }
}

function parseBroker(broker: string): Broker {
  const [, host = '', port = '9092'] = /^\[?(.*?)\]?(?::(\d+))?$/.exec(broker) ?? [];
  return { host, port: Number(port) };
}

function unreachable(message: string): SluiceError {
  return new SluiceError(message, { kind: 'transient', code: 'kafka.not-available' });
}
