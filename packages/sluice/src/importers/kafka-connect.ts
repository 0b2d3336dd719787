import { SluiceError } from '../core/failure.ts';
import { CONNECT_OPTIONS, CONNECT_PREFIXES, WORKER_PREFIXES } from './connect-options.ts';
import { importDebezium } from './debezium-source.ts';
import type { ImportEntry, ImportResult, ImportTarget } from './import-result.ts';
import { kafkaCluster } from './kafka-cluster.ts';
import { createTopicsOf, deliveryOf, kafkaSink } from './kafka-sink.ts';
import { Ledger } from './ledger.ts';
import { mongoSinkPipeline, READING_PREFIXES } from './mongo-sink.ts';
import { importMongoSource } from './mongo-source.ts';
import { pipelineName, uniqueNames } from './pipeline-name.ts';
import { type ConnectorFile, readConnectorFile, readProperties } from './read-options.ts';
import type { SourceInput, SourcePlan } from './source-plan.ts';
import { Vault } from './vault.ts';
import { writeYaml, type YamlNote } from './write-yaml.ts';

/** What is given besides the connector's file. */
export interface KafkaConnectSurroundings {
  readonly target: ImportTarget;
  /** Brokers as `host:port`; they win over what the files say. */
  readonly brokers?: readonly string[] | undefined;
  /** Text of the worker's properties file. */
  readonly worker?: string | undefined;
}

const SOURCES: Readonly<Record<string, (input: SourceInput) => SourcePlan>> = {
  MongoSourceConnector: importMongoSource,
  MongoDbConnector: importDebezium,
};

/**
 * A connector of Kafka Connect (JSON or properties text) as a configuration. Throws `config` errors: the file cannot be
 * read, is of another connector, or Kafka's address is nowhere.
 */
export function importKafkaConnect(text: string, surroundings: KafkaConnectSurroundings): ImportResult {
  const file = readConnectorFile(text);
  const connector = new Ledger(file.options);
  const className = connector.text('connector.class')?.split('.').at(-1);
  if (className === 'MongoSinkConnector') return importMongoSink(file.name, connector, surroundings);
  const read = SOURCES[className ?? ''];
  if (read === undefined) throw unknownConnector(connector.text('connector.class'));
  return build(file, connector, read, surroundings);
}

function build(
  { name }: ConnectorFile,
  connector: Ledger,
  read: (input: SourceInput) => SourcePlan,
  { target, brokers = [], worker: workerText }: KafkaConnectSurroundings,
): ImportResult {
  const worker = workerText === undefined ? undefined : new Ledger(readProperties(workerText));
  const vault = new Vault();
  connector.mapped('name', 'pipelines', 'the name of the pipeline');
  const plan = read({ connector, worker, vault, target });
  const cluster = kafkaCluster({ connector, worker, vault, brokers, client: 'producer' });
  const createTopics = createTopicsOf(connector, worker);
  const delivery = deliveryOf(worker);
  const names = uniqueNames(plan.routes.map(() => pipelineName(name ?? 'connector')));
  const pipelines = plan.routes.map(({ include, exclude, topic }, index) => {
    const { uri, ...rest } = plan.source;
    const source = { mongodb: { uri, include, exclude: exclude.length === 0 ? undefined : exclude, ...rest } };
    const sink = { kafka: kafkaSink(cluster, { topic, format: plan.format, createTopics, delivery }) };
    return [
      names[index] as string,
      { source, sink, deadLetter: plan.deadLetter, onPositionLost: plan.onPositionLost },
    ] as const;
  });
  connector.noteKnown(CONNECT_OPTIONS, CONNECT_PREFIXES);
  worker?.noteKnown({}, WORKER_PREFIXES);
  const { variables, secrets } = vault;
  const origin = `the connector ${name ?? '(without a name)'} of Kafka Connect`;
  const notes = names.flatMap(notesFor);
  const yaml = writeYaml({ origin, variables, pipelines: Object.fromEntries(pipelines), notes });
  return { yaml, report: [...connector.report(), ...workerReport(worker)], pipelines: names, variables, secrets };
}

function workerReport(worker: Ledger | undefined): readonly ImportEntry[] {
  return (worker?.report() ?? []).map((entry) => ({ ...entry, option: `worker: ${entry.option}` }));
}

function notesFor(name: string): readonly YamlNote[] {
  const kafka = ['pipelines', name, 'sink', 'kafka'];
  return [
    {
      path: ['pipelines', name],
      text: 'The name is part of the checkpoint: under another name the pipeline starts anew.',
    },
    { path: [...kafka, 'headers'], text: 'Records as the connector writes them: without headers.' },
    { path: [...kafka, 'format'], text: 'Keys and values as the connector writes them.' },
  ];
}

function importMongoSink(
  name: string | undefined,
  connector: Ledger,
  { brokers = [], worker: workerText }: KafkaConnectSurroundings,
): ImportResult {
  const worker = workerText === undefined ? undefined : new Ledger(readProperties(workerText));
  const vault = new Vault();
  connector.mapped('name', 'pipelines, source.kafka.group', 'the name of the pipeline, and part of its consumer group');
  const cluster = kafkaCluster({ connector, worker, vault, brokers, client: 'consumer' });
  const pipeline = mongoSinkPipeline({ name, connector, worker, vault, cluster });
  connector.noteKnown(CONNECT_OPTIONS, { ...READING_PREFIXES, ...CONNECT_PREFIXES });
  worker?.noteKnown({}, WORKER_PREFIXES);
  const names = [pipelineName(name ?? 'connector')];
  const { variables, secrets } = vault;
  const origin = `the connector ${name ?? '(without a name)'} of Kafka Connect`;
  const group = ['pipelines', names[0] as string, 'source', 'kafka', 'group'];
  const notes = [{ path: group, text: 'The group of the connector: stop it first, and this goes on behind it.' }];
  const yaml = writeYaml({ origin, variables, pipelines: { [names[0] as string]: pipeline }, notes });
  return { yaml, report: [...connector.report(), ...workerReport(worker)], pipelines: names, variables, secrets };
}

function unknownConnector(className: string | undefined): SluiceError {
  const what = className === undefined ? 'the file has no connector.class' : `${className} is not known here`;
  return new SluiceError(what, {
    kind: 'config',
    code: 'import.unknown-connector',
    hint:
      'Known are com.mongodb.kafka.connect.MongoSourceConnector, com.mongodb.kafka.connect.MongoSinkConnector and ' +
      'io.debezium.connector.mongodb.MongoDbConnector.',
  });
}
