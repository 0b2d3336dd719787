import { parse } from 'yaml';
import { SluiceError } from '../core/failure.ts';
import { flatten } from './flatten.ts';
import type { ImportResult } from './import-result.ts';
import { type Known, Ledger } from './ledger.ts';
import { namespacePattern } from './namespace-pattern.ts';
import { type NatsCollection, natsCollections } from './nats-collections.ts';
import { natsServers } from './nats-servers.ts';
import { pipelineName, uniqueNames } from './pipeline-name.ts';
import { Vault } from './vault.ts';
import { writeYaml, type YamlNote } from './write-yaml.ts';

/** Where the connector keeps the resume tokens of a collection. */
export interface TokenPlace {
  readonly database: string;
  readonly collection: string;
}

/** Reads the newest resume token (`_data`) of a collection; undefined when there is none. */
export type ReadToken = (uri: string, place: TokenPlace) => Promise<string | undefined>;

/** What is given besides the connector's file. */
export interface NatsConnectorSurroundings {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Left out: the pipelines start now. Its failures are the caller's. */
  readonly readToken?: ReadToken | undefined;
}

/** The variables of the environment that the connector reads. */
const VARIABLES =
  'MONGO_URI NATS_URL NATS_SERVER_URL NATS_STREAM_NAME MONGO_WATCH_COLLECTIONS SERVER_ADDR HTTP_PORT RAFT_CLUSTER_SIZE CONFIG_FILE LOG_LEVEL'.split(
    ' ',
  );

const DEFAULT_ADDRESS = '127.0.0.1:8080';
/** Not the connector's: our own, for an address that other machines can reach. */
const TOKEN = 'SLUICE_TOKEN';
const LEVELS = ['debug', 'info', 'warn', 'error'];
const KNOWN: Readonly<Record<string, Known>> = {
  CONFIG_FILE: ['not-needed', 'the file that was read'],
};

/**
 * A file of mongodb-nats-connector (YAML text, may be empty) with its environment as a configuration: one pipeline for
 * each collection, which continues behind its newest resume token. Throws `config` errors: the file cannot be read, a
 * name is missing, no collection is named.
 */
export async function importNatsConnector(
  yaml: string,
  { env, readToken }: NatsConnectorSurroundings,
): Promise<ImportResult> {
  const variables = VARIABLES.flatMap((name) => (env[name] === undefined ? [] : [[name, env[name]] as const]));
  const ledger = new Ledger({ ...flatten(readYaml(yaml)), ...Object.fromEntries(variables) });
  const vault = new Vault();
  const given = either(ledger, 'connector.mongo.uri', 'MONGO_URI', 'source.mongodb.uri') ?? 'mongodb://127.0.0.1:27017';
  const fromEnv = ledger.text('MONGO_URI') !== undefined;
  const uri = fromEnv
    ? vault.keep('MONGO_URI', 'MongoDB connection string', '\u0024{env:MONGO_URI}')
    : vault.uri(given);
  const servers = natsServers(ledger, vault);
  const collections = natsCollections(ledger, given);
  const names = uniqueNames(collections.map(nameOf));
  const lease = leaseOf(ledger);
  const pipelines: Record<string, unknown> = {};
  for (const [index, collection] of collections.entries()) {
    const token = await readToken?.(given, collection.tokens);
    noteToken(ledger, collection, token, readToken !== undefined);
    pipelines[names[index] as string] = pipelineOf(collection, { uri, servers, token, lease });
  }
  const http = httpOf(ledger, vault, (env[TOKEN] ?? '') !== '');
  const log = logOf(ledger);
  ledger.noteKnown(KNOWN);
  const notes = names.flatMap(notesFor);
  const text = writeYaml({
    origin: 'a configuration of mongodb-nats-connector',
    variables: vault.variables,
    http,
    log,
    pipelines,
    notes,
  });
  const { secrets } = vault;
  return { yaml: text, report: ledger.report(), pipelines: names, variables: vault.variables, secrets };
}

interface PipelineParts {
  readonly uri: string;
  readonly servers: Readonly<Record<string, unknown>>;
  readonly token: string | undefined;
  readonly lease: 'off' | undefined;
}

/** A name that does not depend on what else is in the file, because the checkpoint hangs on it. */
function nameOf({ database, collection, stream }: NatsCollection): string {
  const usual = stream === collection.toUpperCase();
  return pipelineName([database, collection, ...(usual ? [] : [stream])].join('-'));
}

function pipelineOf(
  { database, collection, stream }: NatsCollection,
  { uri, servers, token, lease }: PipelineParts,
): unknown {
  const source = {
    uri,
    include: [namespacePattern(database, collection)],
    fullDocument: 'updateLookup',
    beforeImage: 'whenAvailable',
    startAt: token === undefined ? undefined : { token },
  };
  const nats = {
    ...servers,
    stream,
    subject: `${stream}.{op}`,
    createStream: { subjects: [`${stream}.*`], addSubjects: true },
    allowDiscardOld: true,
    messageIdPrefix: '',
    headers: { enabled: false },
    format: 'nats-connector',
  };
  return { source: { mongodb: source }, sink: { nats }, lease };
}

function notesFor(name: string): readonly YamlNote[] {
  const nats = ['pipelines', name, 'sink', 'nats'];
  return [
    {
      path: ['pipelines', name],
      text: 'The name is part of the checkpoint: under another name the pipeline starts anew.',
    },
    {
      path: [...nats, 'allowDiscardOld'],
      text: 'The connector makes streams that drop their oldest messages when they are full.',
    },
    {
      path: [...nats, 'createStream', 'addSubjects'],
      text: 'A stream of the connector gets subjects for the records of Sluice (owner).',
    },
    { path: [...nats, 'messageIdPrefix'], text: 'Nats-Msg-Id is the resume token alone.' },
    {
      path: ['pipelines', name, 'source', 'mongodb', 'startAt'],
      text: 'Behind the last event that the connector has published. Used until there is a checkpoint.',
    },
  ];
}

function noteToken(
  ledger: Ledger,
  { option, tokens }: NatsCollection,
  token: string | undefined,
  wasRead: boolean,
): void {
  const place = `${tokens.database}.${tokens.collection}`;
  const path = 'source.mongodb.startAt';
  if (token !== undefined)
    return ledger.remark(option, 'mapped', `continues behind the newest token in ${place}`, path);
  const reason = wasRead ? `there is no token in ${place}` : `the tokens in ${place} were not read`;
  ledger.remark(option, wasRead ? 'mapped' : 'changed', `${reason}: starts now`, path);
}

/** The setting of the environment, or else of the file. */
function either(ledger: Ledger, option: string, variable: string, to: string): string | undefined {
  const value = ledger.text(variable);
  ledger.mapped(variable, to);
  if (value === undefined) ledger.mapped(option, to);
  else ledger.note(option, 'not-needed', `${variable} decides`);
  return value ?? ledger.text(option);
}

/**
 * Where to listen. The connector answers everybody who reaches its address; here an address that other machines can
 * reach needs a token, so without one only this machine gets an answer.
 */
function httpOf(ledger: Ledger, vault: Vault, hasToken: boolean): Readonly<Record<string, unknown>> {
  const to = 'http.listen';
  const option = ledger.has('connector.server.addr') ? 'connector.server.addr' : 'connector.addr';
  const address = either(ledger, option, 'SERVER_ADDR', to) ?? DEFAULT_ADDRESS;
  ledger.mapped('HTTP_PORT', to, 'in place of the port of the address');
  const [, host = '', given = '8080'] = /^(.*):(\d+)$/.exec(address) ?? [];
  const port = ledger.text('HTTP_PORT') ?? given;
  const name = host === '' ? '0.0.0.0' : host;
  if (/^(127\.|localhost$|\[::1\]$)/.test(name)) return { listen: `${name}:${port}` };
  if (!hasToken) {
    const reason = `listens on this machine only: for other machines set SLUICE_TOKEN, and send it with requests`;
    ledger.remark('server address', 'changed', reason, to);
    return { listen: `127.0.0.1:${port}` };
  }
  ledger.remark('server address', 'changed', 'requests must carry the token in SLUICE_TOKEN', 'http.token');
  const meaning = 'token for the HTTP endpoint, 16 characters or more';
  return { listen: `${name}:${port}`, token: vault.keep(TOKEN, meaning, `\u0024{env:${TOKEN}}`) };
}

function logOf(ledger: Ledger): Readonly<Record<string, unknown>> | undefined {
  const level = either(ledger, 'connector.log.level', 'LOG_LEVEL', 'log.level')?.toLowerCase();
  return level !== undefined && LEVELS.includes(level) ? { level } : undefined;
}

/** One process runs without a lease, as there; with several the lease says which one works. */
function leaseOf(ledger: Ledger): 'off' | undefined {
  const size = ledger.text('RAFT_CLUSTER_SIZE');
  const alone = size !== undefined && Number(size) <= 1;
  ledger.mapped('RAFT_CLUSTER_SIZE', 'lease', alone ? 'one process, no lease' : 'one works, the others stand by');
  return alone ? 'off' : undefined;
}

function readYaml(text: string): unknown {
  try {
    return parse(text) ?? {};
  } catch {
    // The message of the parser quotes lines, and with them a password.
    throw new SluiceError('the file cannot be read: it is not valid YAML', {
      kind: 'config',
      code: 'import.unreadable',
      hint: 'Give the connector.yaml of mongodb-nats-connector.',
    });
  }
}
