import {
  fileCheckpointConfig,
  fileDeadLetterConfig,
  fileSchemaConfig,
  fileSinkConfig,
  stdoutSinkConfig,
} from './file/config.ts';
import {
  type KafkaDeadLetterConfig,
  kafkaDeadLetterConfig,
  kafkaSinkConfig,
  kafkaSourceConfig,
} from './kafka/config.ts';
import {
  checkpointStoreConfig,
  deadLetterConfig,
  leaseStoreConfig,
  mongodbSourceConfig,
  schemaStoreConfig,
} from './mongodb/config.ts';
import { mongodbSinkConfig } from './mongodb/target/config.ts';
import { natsSinkConfig, natsSourceConfig } from './nats/config.ts';
import { postgresSinkConfig, shownTarget } from './postgres/config.ts';
import { checkpoints, deadLetters, leases, type Registry, schemas, sink, source } from './registry-entry.ts';
import { searchSinkConfig } from './search/config.ts';
import { shownUrl, webhookSinkConfig } from './webhook/config.ts';

const kafkaDeadLetters = kafkaDeadLetterConfig.extend({
  brokers: kafkaDeadLetterConfig.shape.brokers
    .optional()
    .describe('Brokers to start from, as `host:port`. Default: those of the kafka sink, with its `sasl` and `tls`.'),
});

/** Every connector there is. Schemas are at hand, code is loaded when a connector is used. */
export const registry: Registry = {
  sources: {
    mongodb: source({
      config: mongodbSourceConfig,
      load: async () => (await import('./mongodb/index.ts')).mongodbSource,
      describe: ({ include }) => include.join(', '),
    }),
    kafka: source({
      config: kafkaSourceConfig,
      messages: true,
      load: async () => (await import('./kafka/index.ts')).kafkaSource,
      describe: ({ topics, brokers }) => `${topics.join(', ')} at ${brokers.join(',')}`,
    }),
    nats: source({
      config: natsSourceConfig,
      messages: true,
      load: async () => (await import('./nats/index.ts')).natsSource,
      describe: ({ stream, servers }) => `${stream} at ${servers.join(',')}`,
    }),
  },
  sinks: {
    kafka: sink({
      config: kafkaSinkConfig,
      load: async () => (await import('./kafka/index.ts')).kafkaSink,
      describe: ({ topic, brokers }) => `${topic} at ${brokers.join(',')}`,
    }),
    nats: sink({
      config: natsSinkConfig,
      load: async () => (await import('./nats/index.ts')).natsSink,
      describe: ({ stream, subject, servers }) => `${subject} in ${stream} at ${servers.join(',')}`,
    }),
    webhook: sink({
      config: webhookSinkConfig,
      lanes: true,
      load: async () => (await import('./webhook/index.ts')).webhookSink,
      describe: (config) => shownUrl(config),
    }),
    mongodb: sink({
      config: mongodbSinkConfig,
      lanes: true,
      documents: true,
      structure: true,
      load: async () => (await import('./mongodb/index.ts')).mongodbSink,
      describe: ({ database, collection }) => `${database}.${collection}`,
    }),
    postgres: sink({
      config: postgresSinkConfig,
      lanes: true,
      documents: true,
      wholeDocuments: true,
      structure: true,
      learns: true,
      load: async () => (await import('./postgres/index.ts')).postgresSink,
      describe: (config) => `${config.schema}.${config.table} at ${shownTarget(config)}`,
    }),
    search: sink({
      config: searchSinkConfig,
      lanes: true,
      documents: true,
      wholeDocuments: true,
      structure: true,
      learns: true,
      load: async () => (await import('./search/index.ts')).searchSink,
      describe: ({ index, nodes }) => `${index} at ${nodes.join(',')}`,
    }),
    file: sink({
      config: fileSinkConfig,
      load: async () => (await import('./file/index.ts')).fileSink,
      describe: ({ path }) => path,
    }),
    stdout: sink({
      config: stdoutSinkConfig,
      load: async () => (await import('./file/index.ts')).stdoutSink,
      describe: () => '',
    }),
  },
  checkpoints: {
    mongodb: checkpoints({
      config: checkpointStoreConfig,
      load: async () => {
        const { openMongodbCheckpointStore: open, checkMongodbCheckpointStore: check } = await import(
          './mongodb/index.ts'
        );
        return { open, check };
      },
      describe: ({ database, collection }) => `${database}.${collection}`,
    }),
    file: checkpoints({
      config: fileCheckpointConfig,
      load: async () => {
        const { openFileCheckpointStore: open, checkPlace } = await import('./file/index.ts');
        return { open, check: ({ path }) => checkPlace(path, 'directory') };
      },
      describe: ({ path }) => path,
    }),
  },
  deadLetters: {
    mongodb: deadLetters({
      config: deadLetterConfig,
      load: async () => {
        const { openMongodbDeadLetters: open, checkMongodbDeadLetters: check } = await import('./mongodb/index.ts');
        return { open, check };
      },
      describe: ({ database, collection }) => `${database}.${collection}`,
    }),
    // Without brokers of its own it takes those of the sink.
    kafka: deadLetters<typeof kafkaDeadLetters, KafkaDeadLetterConfig>({
      config: kafkaDeadLetters,
      load: async () => {
        const { openKafkaDeadLetters: open, checkKafkaDeadLetters: check } = await import('./kafka/index.ts');
        return { open, check };
      },
      describe: ({ topic }) => topic,
    }),
    file: deadLetters({
      config: fileDeadLetterConfig,
      load: async () => {
        const { openFileDeadLetters: open, checkPlace } = await import('./file/index.ts');
        return { open, check: ({ path }) => checkPlace(path, 'file') };
      },
      describe: ({ path }) => path,
    }),
  },
  leases: {
    mongodb: leases({
      config: leaseStoreConfig,
      load: async () => {
        const { openMongodbLeaseStore: open, checkMongodbLeaseStore: check } = await import('./mongodb/index.ts');
        return { open, check };
      },
      describe: ({ database, collection }) => `${database}.${collection}`,
    }),
  },
  schemas: {
    mongodb: schemas({
      config: schemaStoreConfig,
      load: async () => {
        const { openMongodbSchemaStore: open, checkMongodbSchemaStore: check } = await import('./mongodb/index.ts');
        return { open, check };
      },
      describe: ({ database, collection }) => `${database}.${collection}`,
    }),
    file: schemas({
      config: fileSchemaConfig,
      load: async () => {
        const { openFileSchemaStore: open, checkPlace } = await import('./file/index.ts');
        return { open, check: ({ path }) => checkPlace(path, 'directory') };
      },
      describe: ({ path }) => path,
    }),
  },
};
