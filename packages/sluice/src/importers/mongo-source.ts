import { converterOf } from './kafka-cluster.ts';
import type { Ledger } from './ledger.ts';
import { MONGO_SOURCE_OPTIONS } from './mongo-source-options.ts';
import { namespacePattern } from './namespace-pattern.ts';
import { type SourceInput, type SourcePlan, userPipeline } from './source-plan.ts';
import { sourceStart } from './source-start.ts';
import { type TopicRoute, topicRoutes } from './topic-map.ts';

const FORMATTERS: Readonly<Record<string, string>> = {
  DefaultJson: 'legacy',
  ExtendedJson: 'canonical',
  SimplifiedJson: 'simplified',
};

/** `com.mongodb.kafka.connect.MongoSourceConnector` */
export function importMongoSource(input: SourceInput): SourcePlan {
  const { connector, vault } = input;
  connector.note('connector.class', 'mapped', 'the MongoDB source connector');
  const uri = connector.text('connection.uri') ?? 'mongodb://localhost:27017';
  connector.mapped('connection.uri', 'source.mongodb.uri');
  const documentsOnly = connector.flag('publish.full.document.only', false);
  const start = sourceStart(input);
  const source = {
    uri: vault.uri(uri),
    pipeline: userPipeline(input, 'pipeline', start['snapshot'] !== undefined),
    ...images(connector, documentsOnly),
    ddl: connector.flag('change.stream.show.expanded.events', false) ? true : undefined,
    ...start,
  };
  connector.mapped('change.stream.show.expanded.events', 'source.mongodb.ddl');
  const routes = routesOf(connector);
  const format = formatOf(input, documentsOnly);
  const deadLetter = errorsOf(connector);
  collation(connector);
  connector.noteKnown(MONGO_SOURCE_OPTIONS);
  return { source, routes, format, deadLetter };
}

function images(connector: Ledger, documentsOnly: boolean): Readonly<Record<string, unknown>> {
  const wanted = documentsOnly ? 'updateLookup' : (connector.text('change.stream.full.document') ?? 'default');
  const reason = documentsOnly
    ? 'with publish.full.document.only the connector looks documents up, whatever this says'
    : '';
  connector.mapped('change.stream.full.document', 'source.mongodb.fullDocument', reason);
  const before = connector.text('change.stream.full.document.before.change') ?? 'default';
  connector.mapped('change.stream.full.document.before.change', 'source.mongodb.beforeImage');
  return { fullDocument: asImage(wanted), beforeImage: before === 'default' ? undefined : asImage(before) };
}

function asImage(mode: string): string {
  return mode === 'default' ? 'off' : mode;
}

function routesOf(connector: Ledger): readonly TopicRoute[] {
  const database = connector.text('database');
  const collection = connector.text('collection');
  const path = 'source.mongodb.include';
  connector.mapped('database', path, namespacePattern(database, collection));
  connector.mapped('collection', path, namespacePattern(database, collection));
  const topic = 'sink.kafka.topic';
  const map = topicMap(connector);
  const prefix = connector.text('topic.prefix');
  const suffix = connector.text('topic.suffix');
  const separator = connector.text('topic.separator') ?? '.';
  for (const option of ['topic.prefix', 'topic.suffix', 'topic.separator']) connector.mapped(option, topic);
  const mapper = connector.text('topic.mapper');
  if (mapper === undefined || mapper.endsWith('.DefaultTopicMapper')) connector.mapped('topic.mapper', topic);
  else
    connector.note('topic.mapper', 'not-supported', 'a Java class: topics are named by prefix, namespace and suffix');
  return topicRoutes({ prefix, suffix, separator, map, database, collection });
}

function topicMap(connector: Ledger): Readonly<Record<string, string>> {
  const option = 'topic.namespace.map';
  const text = connector.text(option);
  if (text === undefined) {
    connector.note(option, 'mapped', 'empty');
    return {};
  }
  let map: unknown;
  try {
    map = JSON.parse(text);
  } catch {
    map = undefined;
  }
  const entries = typeof map === 'object' && map !== null ? Object.entries(map) : [];
  const usable = entries.every(([name, topic]) => !name.startsWith('/') && typeof topic === 'string' && topic !== '');
  if (entries.length === 0 || !usable) {
    connector.note(
      option,
      'not-supported',
      'only names, "*" and topics as text are understood, no regular expressions',
    );
    return {};
  }
  connector.mapped(option, 'sink.kafka.topic', 'one pipeline for each entry, and one for the rest');
  return Object.fromEntries(entries);
}

function formatOf(input: SourceInput, documentsOnly: boolean): unknown {
  const { connector } = input;
  const path = 'sink.kafka.format';
  const formatter = connector.text('output.json.formatter')?.split('.').at(-1) ?? 'DefaultJson';
  const json = FORMATTERS[formatter];
  if (json === undefined) connector.note('output.json.formatter', 'not-supported', 'a Java class: DefaultJson is used');
  connector.mapped('output.json.formatter', `${path}.json`);
  const byToken = !connector.flag('change.stream.document.key.as.key', true);
  const danger = 'keys are resume tokens: in a topic with several partitions the order per document is lost';
  const key = 'change.stream.document.key.as.key';
  connector.mapped(key, `${path}.key`, byToken ? danger : '');
  connector.mapped('publish.full.document.only', `${path}.value`);
  const tombstones = documentsOnly && connector.flag('publish.full.document.only.tombstone.on.delete', false);
  connector.mapped('publish.full.document.only.tombstone.on.delete', `${path}.tombstones`);
  for (const kind of ['key', 'value'] as const) checkOutput(input, kind);
  return {
    name: 'kafka-connect',
    json: json ?? 'legacy',
    value: documentsOnly ? 'document' : undefined,
    tombstones: tombstones ? true : undefined,
    key: byToken ? 'token' : undefined,
  };
}

/** Only text is written here: what the connector writes as JSON through a converter that leaves it as it is. */
function checkOutput({ connector, worker }: SourceInput, kind: 'key' | 'value'): void {
  const option = `output.format.${kind}`;
  const output = connector.text(option) ?? 'json';
  const isJson = output === 'json';
  if (isJson) connector.mapped(option, 'sink.kafka.format');
  else connector.note(option, 'not-supported', `${kind}s are written as JSON text, not as ${output}`);
  const schema = output === 'schema';
  const unused = 'only used with the output format schema';
  for (const part of [`output.schema.${kind}`, ...(kind === 'value' ? ['output.schema.infer.value'] : [])]) {
    connector.note(part, schema ? 'not-supported' : 'not-needed', schema ? 'records carry no schema' : unused);
  }
  const converter = converterOf(kind, connector, worker);
  if (converter.name === undefined) {
    const reason = 'it is not in this file and no --worker was given: text is written, as StringConverter does';
    converter.note('changed', reason, 'sink.kafka.format');
  } else if (converter.name === 'StringConverter') converter.note('mapped', '', 'sink.kafka.format');
  else if (isJson) converter.note('not-supported', `${kind}s are written as text, without what ${converter.name} adds`);
  else converter.note('not-supported', `${kind}s are written as JSON text`);
}

/** `errors.tolerance: all` drops events or sends them to a topic; here they are always kept. */
export function errorsOf(connector: Ledger): unknown {
  const read = (option: string) => connector.text(`mongo.${option}`) ?? connector.text(option);
  const tolerance = read('errors.tolerance') ?? 'none';
  const topic = read('errors.deadletterqueue.topic.name');
  const note = (option: string, ...rest: readonly ['mapped' | 'changed' | 'not-needed', string, string?]) => {
    for (const name of [option, `mongo.${option}`]) connector.note(name, ...rest);
  };
  if (tolerance !== 'all') {
    note('errors.tolerance', 'mapped', 'an event that cannot be delivered stops the pipeline');
    note('errors.deadletterqueue.topic.name', 'not-needed', 'without errors.tolerance: all nothing is sent there');
    return undefined;
  }
  note('errors.tolerance', 'changed', 'such an event is kept as a dead letter, never dropped', 'deadLetter');
  note('errors.deadletterqueue.topic.name', 'changed', 'a dead letter is another record: see sluice dlq', 'deadLetter');
  return { kafka: topic === undefined ? {} : { topic } };
}

function collation(connector: Ledger): void {
  if (connector.text('collation') === undefined) connector.note('collation', 'mapped', 'empty');
  else connector.note('collation', 'not-supported', 'a pipeline compares text byte by byte');
}
