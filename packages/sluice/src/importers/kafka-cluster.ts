import { SluiceError } from '../core/failure.ts';
import type { Ledger, Options } from './ledger.ts';
import type { Vault } from './vault.ts';

/** The part of a Kafka sink or source that says how to reach the brokers. */
export interface KafkaCluster {
  readonly brokers: readonly string[];
  readonly tls: unknown;
  readonly sasl: unknown;
  readonly compression: string | undefined;
}

const COMPRESSIONS = ['zstd', 'lz4', 'snappy', 'gzip', 'none'];
const MECHANISMS: Readonly<Record<string, string>> = {
  PLAIN: 'plain',
  'SCRAM-SHA-256': 'scram-sha-256',
  'SCRAM-SHA-512': 'scram-sha-512',
};
const AS_PEM = 'Java key stores cannot be read: export PEM files and set tls';

/** Where client settings stand, the strongest first: in the connector, in the worker for its client, in the worker. */
interface Place {
  readonly ledger: Ledger;
  readonly prefix: string;
}

/** What is asked, and where the answer goes. */
export interface KafkaQuestion {
  readonly connector: Ledger;
  readonly worker: Ledger | undefined;
  readonly vault: Vault;
  /** They win over what the files say. */
  readonly brokers: readonly string[];
  /** The client of the connector: a producer for a source connector, a consumer for a sink connector. */
  readonly client: 'producer' | 'consumer';
}

/** Reads how to reach Kafka from a worker's settings and a connector's overrides. */
export function kafkaCluster({ connector, worker, vault, brokers, client }: KafkaQuestion): KafkaCluster {
  const places: Place[] = [{ ledger: connector, prefix: `${client}.override.` }];
  if (worker !== undefined) places.push({ ledger: worker, prefix: `${client}.` }, { ledger: worker, prefix: '' });
  const reader = new ClientSettings(places, client === 'producer' ? 'sink.kafka' : 'source.kafka');
  const found = reader.take('bootstrap.servers', 'brokers');
  const list = brokers.length > 0 ? brokers : (found ?? '').split(',').map((broker) => broker.trim());
  if (list.every((broker) => broker === '')) throw noBrokers();
  const protocol = (reader.take('security.protocol', 'tls, sasl') ?? 'PLAINTEXT').toUpperCase();
  return {
    brokers: list.filter((broker) => broker !== ''),
    tls: protocol.endsWith('SSL') ? tls(reader, vault) : undefined,
    sasl: protocol.startsWith('SASL') ? sasl(reader, vault) : undefined,
    compression: compression(reader),
  };
}

/** Client settings over their places. */
class ClientSettings {
  /** The section that they go to. */
  readonly section: string;
  readonly #places: readonly Place[];

  constructor(places: readonly Place[], section: string) {
    this.#places = places;
    this.section = section;
  }

  /** The value in the strongest place, noted as mapped in all of them. */
  take(name: string, to: string): string | undefined {
    const value = this.get(name);
    const path = to
      .split(', ')
      .map((key) => `${this.section}.${key}`)
      .join(', ');
    for (const { ledger, prefix } of this.#places) ledger.mapped(`${prefix}${name}`, path);
    return value;
  }

  get(name: string): string | undefined {
    for (const { ledger, prefix } of this.#places) {
      const value = ledger.text(`${prefix}${name}`);
      if (value !== undefined) return value;
    }
    return undefined;
  }

  refuse(name: string, reason: string): void {
    for (const { ledger, prefix } of this.#places) ledger.note(`${prefix}${name}`, 'not-supported', reason);
  }
}

function compression(reader: ClientSettings): string | undefined {
  const type = reader.get('compression.type')?.toLowerCase();
  if (type === undefined || !COMPRESSIONS.includes(type)) return undefined;
  reader.take('compression.type', 'compression');
  return type;
}

function tls(reader: ClientSettings, vault: Vault): unknown {
  const files: Record<string, unknown> = {};
  const isPem = (store: string) => reader.get(`ssl.${store}.type`)?.toUpperCase() === 'PEM';
  if (isPem('truststore')) {
    reader.take('ssl.truststore.type', 'tls');
    files['ca'] = reader.take('ssl.truststore.location', 'tls.ca');
  }
  if (isPem('keystore')) {
    reader.take('ssl.keystore.type', 'tls');
    const file = reader.take('ssl.keystore.location', 'tls.cert, tls.key');
    files['cert'] = file;
    files['key'] = file;
    const passphrase = reader.take('ssl.key.password', 'tls.keyPassphrase');
    if (passphrase !== undefined) {
      files['keyPassphrase'] = vault.keep('KAFKA_KEY_PASSPHRASE', 'passphrase of the TLS key for Kafka', passphrase);
    }
  }
  for (const part of ['truststore', 'keystore']) {
    for (const end of ['location', 'password', 'type']) reader.refuse(`ssl.${part}.${end}`, AS_PEM);
  }
  reader.refuse('ssl.key.password', AS_PEM);
  const defined = Object.entries(files).filter(([, value]) => value !== undefined);
  return defined.length === 0 ? true : Object.fromEntries(defined);
}

function sasl(reader: ClientSettings, vault: Vault): unknown {
  const wanted = reader.get('sasl.mechanism')?.toUpperCase() ?? '';
  const mechanism = MECHANISMS[wanted];
  if (mechanism === undefined) {
    reader.refuse('sasl.mechanism', `this login is not translated: set ${reader.section}.sasl by hand`);
    reader.refuse('sasl.jaas.config', `this login is not translated: set ${reader.section}.sasl by hand`);
    return undefined;
  }
  reader.take('sasl.mechanism', 'sasl.mechanism');
  const jaas = reader.take('sasl.jaas.config', 'sasl') ?? '';
  const [username, password] = ['username', 'password'].map((key) => quoted(jaas, key));
  const meaning = 'password of the Kafka user';
  return {
    mechanism,
    username: username ?? vault.keep('KAFKA_USERNAME', 'Kafka user', '\u0024{}'),
    password: vault.keep('KAFKA_PASSWORD', meaning, password ?? '\u0024{}'),
  };
}

/** `key="value"` of a login configuration. */
function quoted(jaas: string, key: string): string | undefined {
  const match = new RegExp(`\\b${key}\\s*=\\s*(?:"((?:[^"\\\\]|\\\\.)*)"|'([^']*)'|([^\\s;"']+))`).exec(jaas);
  return (match?.[1] ?? match?.[2] ?? match?.[3])?.replaceAll(/\\(.)/g, '$1');
}

/** What can be said of a converter before its class is looked at. */
export interface Converter {
  readonly option: string;
  /** The class without its package; undefined when it is given nowhere. */
  readonly name: string | undefined;
  /** Settings of the converter, below its prefix. */
  readonly options: Options;
  note(outcome: 'mapped' | 'not-supported' | 'changed', reason: string, to?: string): void;
}

/** The converter of keys or values: the connector's, or else the worker's. */
export function converterOf(kind: 'key' | 'value', connector: Ledger, worker: Ledger | undefined): Converter {
  const option = `${kind}.converter`;
  const ledger = [connector, worker].find((place) => place?.text(option) !== undefined);
  const inside = ledger?.names().filter((name) => name.startsWith(`${option}.`)) ?? [];
  return {
    option,
    name: ledger?.text(option)?.split('.').at(-1),
    options: Object.fromEntries(inside.map((name) => [name.slice(option.length + 1), ledger?.text(name) ?? ''])),
    note(outcome, reason, to) {
      if (ledger === undefined) return connector.remark(option, outcome, reason, to);
      for (const name of [option, ...inside]) ledger.note(name, outcome, reason, to);
    },
  };
}

function noBrokers(): SluiceError {
  return new SluiceError('the file does not say where Kafka is: in Kafka Connect that is a setting of the worker', {
    kind: 'config',
    code: 'import.no-brokers',
    hint: 'Add --brokers host:port, or --worker with the properties file of the worker.',
  });
}
