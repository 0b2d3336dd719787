import type { Known } from './ledger.ts';

const COPY_TUNING: Known = [
  'not-needed',
  'a copy runs in short reads that adapt their size; no sort on disk is needed',
];
const POLLING: Known = ['not-needed', 'batches adapt their size; sink.kafka.batchRecords limits them'];
const HEARTBEAT: Known = [
  'not-needed',
  'the position moves without events (checkpoint.idleInterval); nothing is written to a heartbeat topic',
];
const STORES: Known = [
  'not-supported',
  'Java key stores cannot be read: export PEM files and set source.mongodb.tls.caFile and certificateKeyFile',
];
const STABLE_API: Known = ['not-supported', 'there is no setting for the Stable API; a change stream does not need it'];

/** Options of the MongoDB source connector that need no look at others. */
export const MONGO_SOURCE_OPTIONS: Readonly<Record<string, Known>> = {
  'batch.size': ['not-needed', 'answers adapt their size; source.mongodb.batchSize limits them'],
  'poll.max.batch.size': POLLING,
  'poll.await.time.ms': [
    'not-needed',
    'a change is delivered when it happens; source.mongodb.maxAwaitTime is its like',
  ],
  'heartbeat.interval.ms': HEARTBEAT,
  'heartbeat.topic.name': HEARTBEAT,
  'offset.partition.name': [
    'not-needed',
    'the checkpoint belongs to the name of the pipeline: another name starts anew',
  ],
  'copy.existing.max.threads': COPY_TUNING,
  'copy.existing.queue.size': COPY_TUNING,
  'copy.existing.allow.disk.use': COPY_TUNING,
  'startup.mode.copy.existing.max.threads': COPY_TUNING,
  'startup.mode.copy.existing.queue.size': COPY_TUNING,
  'startup.mode.copy.existing.allow.disk.use': COPY_TUNING,
  'connection.ssl.truststore': STORES,
  'connection.ssl.truststorePassword': STORES,
  'connection.ssl.keystore': STORES,
  'connection.ssl.keystorePassword': STORES,
  'server.api.version': STABLE_API,
  'server.api.strict': STABLE_API,
  'server.api.deprecation.errors': STABLE_API,
  provider: ['not-needed', 'only a name in the statistics of the provider'],
  'errors.log.enable': ['not-needed', 'failures are always logged'],
  'mongo.errors.log.enable': ['not-needed', 'failures are always logged'],
};
