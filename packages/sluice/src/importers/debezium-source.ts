import { DEBEZIUM_OPTIONS, DEBEZIUM_PREFIXES } from './debezium-options.ts';
import { debeziumScope } from './debezium-scope.ts';
import { converterOf } from './kafka-cluster.ts';
import type { Ledger } from './ledger.ts';
import { type SourceInput, type SourcePlan, userPipeline } from './source-plan.ts';
import type { Vault } from './vault.ts';

const OPERATIONS: Readonly<Record<string, readonly string[]>> = {
  c: ['insert'],
  u: ['update', 'replace'],
  d: ['delete'],
};
const DEFAULT_NAMING = /\.(SchemaTopicNamingStrategy|DefaultTopicNamingStrategy)$/;

/** `io.debezium.connector.mongodb.MongoDbConnector` */
export function importDebezium(input: SourceInput): SourcePlan {
  const { connector } = input;
  connector.note('connector.class', 'mapped', 'the Debezium connector for MongoDB');
  const prefix = connector.text('topic.prefix') ?? connector.text('mongodb.name') ?? 'debezium';
  const separator = connector.text('topic.delimiter') ?? '.';
  for (const option of ['topic.prefix', 'topic.delimiter', 'mongodb.name'])
    connector.mapped(option, 'sink.kafka.topic');
  if (DEFAULT_NAMING.test(connector.text('topic.naming.strategy') ?? '')) {
    connector.mapped('topic.naming.strategy', 'sink.kafka.topic');
  }
  const start = snapshotMode(connector);
  const scope = debeziumScope(connector, start['snapshot'] !== undefined);
  const stages = [
    ...scope.stages,
    ...skippedOperations(connector),
    ...(userPipeline(input, 'cursor.pipeline', false) ?? []),
  ];
  const source = {
    uri: connectionString(connector, input.vault),
    pipeline: stages.length === 0 ? undefined : stages,
    ...captureMode(connector),
    ...start,
    ...timeouts(connector),
    ...anyHostName(connector),
  };
  const route = {
    include: scope.include,
    exclude: scope.exclude,
    topic: `${prefix}${separator}{db}${separator}{coll}`,
  };
  const format = formatOf(input, prefix);
  const deadLetter = failureMode(connector);
  const transactions = connector.flag('provide.transaction.metadata', false);
  const noTransactions = 'transactions are not described by records of their own';
  connector.note('provide.transaction.metadata', transactions ? 'not-supported' : 'not-needed', noTransactions);
  connector.noteKnown(DEBEZIUM_OPTIONS, DEBEZIUM_PREFIXES);
  const onPositionLost = connector.text('snapshot.mode')?.toLowerCase() === 'when_needed' ? 'resnapshot' : undefined;
  return { source, routes: [route], format, deadLetter, onPositionLost };
}

const URI_PATH = 'source.mongodb.uri';

/** The connection string with the user, password and TLS of their own options. */
function connectionString(connector: Ledger, vault: Vault): string {
  const given = connector.text('mongodb.connection.string') ?? fromHosts(connector.text('mongodb.hosts'));
  const uri = vault.uri(given);
  for (const option of ['mongodb.connection.string', 'mongodb.hosts']) connector.mapped(option, URI_PATH);
  const [, scheme, rest = ''] = /^(mongodb(?:\+srv)?:\/\/)(.*)$/s.exec(uri) ?? [];
  const parts = ['mongodb.user', 'mongodb.password', 'mongodb.authsource', 'mongodb.ssl.enabled'];
  for (const option of parts) {
    if (scheme !== undefined) connector.mapped(option, URI_PATH);
    else
      connector.note(option, 'not-supported', 'the connection string is a reference: put this into what it stands for');
  }
  if (scheme === undefined) return uri;
  const user = connector.text('mongodb.user');
  const parameters: string[] = [];
  if (user !== undefined) parameters.push(`authSource=${connector.text('mongodb.authsource') ?? 'admin'}`);
  if (connector.flag('mongodb.ssl.enabled', false)) parameters.push('tls=true');
  const isOwn = user !== undefined && !rest.includes('@');
  const userInfo = isOwn ? `${encodeURIComponent(user)}${secret(connector.text('mongodb.password'), vault)}@` : '';
  return `${scheme}${userInfo}${withParameters(rest, parameters)}`;
}

function secret(password: string | undefined, vault: Vault): string {
  if (password === undefined) return '';
  // Only a literal can be encoded; a reference must hold the encoded form already.
  const encoded = password.includes('\u0024{') ? password : encodeURIComponent(password);
  return `:${vault.keep('MONGO_PASSWORD', 'password of the MongoDB user, percent-encoded', encoded)}`;
}

/** `rs0/host:port,host:port` of old releases. */
function fromHosts(hosts: string | undefined): string {
  if (hosts === undefined) return 'mongodb://localhost:27017';
  const slash = hosts.indexOf('/');
  const replicaSet = slash < 0 ? '' : `?replicaSet=${hosts.slice(0, slash)}`;
  return `mongodb://${hosts.slice(slash + 1)}/${replicaSet}`;
}

function withParameters(rest: string, parameters: readonly string[]): string {
  const missing = parameters.filter((parameter) => !rest.includes(`${parameter.split('=')[0]}=`));
  if (missing.length === 0) return rest;
  const query = missing.join('&');
  if (rest.includes('?')) return `${rest}&${query}`;
  return /\//.test(rest.slice(rest.lastIndexOf('@') + 1)) ? `${rest}?${query}` : `${rest}/?${query}`;
}

/** There is no setting that only leaves the name of the host unchecked. */
function anyHostName(connector: Ledger): Readonly<Record<string, unknown>> {
  const option = 'mongodb.ssl.invalid.hostname.allowed';
  const allowed = connector.flag(option, false);
  const reason = allowed ? 'certificates are not checked at all' : 'names are checked';
  connector.note(option, allowed ? 'changed' : 'mapped', reason, 'source.mongodb.tls.insecure');
  return allowed ? { tls: { insecure: true } } : {};
}

function captureMode(connector: Ledger): Readonly<Record<string, unknown>> {
  const mode = connector.text('capture.mode')?.toLowerCase() ?? 'change_streams_update_full';
  const lookup = (connector.text('capture.mode.full.update.type')?.toLowerCase() ?? 'lookup') === 'lookup';
  const full = mode.includes('update_full');
  const reason = full && lookup ? 'the document is looked up when the event is read: it may be newer, or gone' : '';
  connector.mapped('capture.mode', 'source.mongodb.fullDocument, source.mongodb.beforeImage', reason);
  connector.mapped('capture.mode.full.update.type', 'source.mongodb.fullDocument');
  return {
    fullDocument: full ? (lookup ? 'updateLookup' : 'whenAvailable') : 'off',
    beforeImage: mode.includes('pre_image') ? 'whenAvailable' : undefined,
  };
}

function snapshotMode(connector: Ledger): Readonly<Record<string, unknown>> {
  const option = 'snapshot.mode';
  const mode = connector.text(option)?.toLowerCase() ?? 'initial';
  const path = 'source.mongodb.snapshot';
  if (mode === 'never' || mode === 'no_data') {
    connector.mapped(option, 'source.mongodb.startAt', 'from now on');
    return {};
  }
  if (mode === 'initial' || mode === 'initial_only') connector.mapped(option, path);
  else if (mode === 'when_needed') {
    connector.mapped(option, `${path}, onPositionLost`, 'copies again when the position is lost');
  } else connector.note(option, 'changed', 'copies once, not at every start', path);
  return { snapshot: mode === 'initial_only' ? 'only' : 'initial' };
}

function skippedOperations(connector: Ledger): readonly unknown[] {
  const option = 'skipped.operations';
  const codes = (connector.text(option) ?? '').split(',').map((code) => code.trim());
  const skipped = codes.flatMap((code) => OPERATIONS[code] ?? []);
  if (codes.includes('r')) connector.note(option, 'not-supported', 'what a snapshot copies is always written');
  else if (skipped.length === 0) connector.note(option, 'not-needed', 'truncations have no record here');
  else connector.mapped(option, 'source.mongodb.pipeline');
  return skipped.length === 0 ? [] : [{ $match: { operationType: { $nin: skipped } } }];
}

function timeouts(connector: Ledger): Readonly<Record<string, unknown>> {
  const await_ = Number(connector.text('cursor.max.await.time.ms'));
  const selection = Number(connector.text('mongodb.server.selection.timeout.ms'));
  const usableAwait = await_ >= 10 && await_ <= 30_000;
  const usableSelection = selection >= 500 && selection <= 600_000;
  connector.note('cursor.max.await.time.ms', usableAwait ? 'mapped' : 'not-needed', '', 'source.mongodb.maxAwaitTime');
  const path = 'source.mongodb.serverSelectionTimeout';
  connector.note('mongodb.server.selection.timeout.ms', usableSelection ? 'mapped' : 'not-needed', '', path);
  return {
    maxAwaitTime: usableAwait ? `${await_}ms` : undefined,
    serverSelectionTimeout: usableSelection ? `${selection}ms` : undefined,
  };
}

const DOCUMENTS: Readonly<Record<string, string>> = { legacy: 'legacy', relaxed: 'relaxed', extended: 'canonical' };

function formatOf({ connector, worker }: SourceInput, prefix: string): unknown {
  const path = 'sink.kafka.format';
  for (const kind of ['key', 'value'] as const) checkConverter(connector, worker, kind);
  const mode = connector.text('json.serialization.mode')?.toLowerCase() ?? 'legacy';
  const documents = DOCUMENTS[mode];
  if (documents === undefined) connector.note('json.serialization.mode', 'not-supported', 'legacy is used');
  connector.mapped('json.serialization.mode', `${path}.documents`);
  if (unwraps(connector)) return { name: 'document', json: 'plain' };
  const tombstones = connector.flag('tombstones.on.delete', true);
  connector.mapped('tombstones.on.delete', `${path}.tombstones`);
  return {
    name: 'debezium',
    documents: documents === 'legacy' ? undefined : documents,
    tombstones: tombstones ? undefined : false,
    connector: prefix,
  };
}

/** The transform that leaves only the document is the format `document` here. */
function unwraps(connector: Ledger): boolean {
  const names = (connector.text('transforms') ?? '').split(',').map((name) => name.trim());
  const [name] = names;
  const type = connector.text(`transforms.${name}.type`) ?? '';
  if (names.length !== 1 || !type.endsWith('.ExtractNewDocumentState')) return false;
  const reason = 'the document after the change with plain values, a null for a delete; keys and types differ a little';
  const path = 'sink.kafka.format';
  for (const option of ['transforms', `transforms.${name}.type`]) connector.note(option, 'changed', reason, path);
  connector.note('tombstones.on.delete', 'changed', 'a delete is always a null', path);
  return true;
}

/** Values are those of the JSON converter without schemas. */
function checkConverter(connector: Ledger, worker: Ledger | undefined, kind: 'key' | 'value'): void {
  const converter = converterOf(kind, connector, worker);
  const path = 'sink.kafka.format';
  const schemas = (converter.options['schemas.enable'] ?? 'true') !== 'false';
  if (converter.name === undefined) {
    const reason = 'not in this file, and no --worker: written as by JsonConverter with schemas.enable=false';
    converter.note('changed', reason, path);
  } else if (converter.name !== 'JsonConverter') {
    converter.note('not-supported', 'records are written as by JsonConverter with schemas.enable=false');
  } else if (schemas)
    converter.note('not-supported', 'schemas.enable is true (its default): records have no schema here');
  else converter.note('mapped', '', path);
}

function failureMode(connector: Ledger): unknown {
  const option = 'event.processing.failure.handling.mode';
  const mode = connector.text(option)?.toLowerCase() ?? 'fail';
  if (mode === 'fail') {
    connector.mapped(option, 'deadLetter', 'an event that cannot be delivered stops the pipeline');
    return undefined;
  }
  connector.note(option, 'changed', 'such an event is kept as a dead letter, never dropped', 'deadLetter');
  return { kafka: {} };
}
