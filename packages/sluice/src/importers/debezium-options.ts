import type { Known } from './ledger.ts';

const TUNING: Known = ['not-needed', 'batches and answers adapt their size; see inFlightBytes and source.mongodb'];
const SNAPSHOT_TUNING: Known = ['not-needed', 'a copy runs in short reads that adapt their size'];
const RETRIES: Known = ['not-needed', 'failures of the environment are retried for ever, with backoff'];
const HEARTBEAT: Known = [
  'not-needed',
  'the position moves without events (checkpoint.idleInterval); nothing is written to a heartbeat topic',
];
const SIGNAL: Known = ['not-supported', 'no signals are read; copies on demand are a command'];
const INCREMENTAL: Known = ['not-needed', 'nothing is written to the source while documents are copied'];
const NOTIFY: Known = ['not-supported', 'no notifications are written; see /api/pipelines and /metrics'];
const LINEAGE: Known = ['not-supported', 'no OpenLineage events are written'];
const GUARD: Known = ['not-needed', 'a stream of many collections costs as much as one of few'];
const STORES: Known = [
  'not-supported',
  'Java key stores cannot be read: export PEM files and set source.mongodb.tls.caFile and certificateKeyFile',
];
const FIELDS: Known = [
  'not-supported',
  'write $unset or $set stages in source.mongodb.pipeline; they do not reach what a snapshot copies',
];
const JAVA_CLASS: Known = ['not-supported', 'a Java class'];

/** Options of the Debezium MongoDB connector that need no look at others. */
export const DEBEZIUM_OPTIONS: Readonly<Record<string, Known>> = {
  'max.batch.size': TUNING,
  'max.queue.size': TUNING,
  'max.queue.size.in.bytes': TUNING,
  'poll.interval.ms': TUNING,
  'query.fetch.size': TUNING,
  'executor.shutdown.timeout.ms': ['not-needed', 'drainTimeout'],
  'snapshot.fetch.size': SNAPSHOT_TUNING,
  'snapshot.max.threads': SNAPSHOT_TUNING,
  'snapshot.max.threads.multiplier': SNAPSHOT_TUNING,
  'snapshot.delay.ms': SNAPSHOT_TUNING,
  'streaming.delay.ms': SNAPSHOT_TUNING,
  'snapshot.include.collection.list': ['not-supported', 'a snapshot copies everything that is included'],
  'snapshot.collection.filter.overrides': ['not-supported', 'a snapshot copies everything that is included'],
  'field.exclude.list': FIELDS,
  'field.exclude.': FIELDS,
  'field.renames': FIELDS,
  'errors.max.retries': RETRIES,
  'retriable.restart.connector.wait.ms': RETRIES,
  'connection.validation.timeout.ms': RETRIES,
  'mongodb.connect.timeout.ms': RETRIES,
  'mongodb.socket.timeout.ms': RETRIES,
  'mongodb.heartbeat.frequency.ms': RETRIES,
  'mongodb.poll.interval.ms': ['not-needed', 'the members of the replica set are watched by the driver'],
  'connect.backoff.initial.delay.ms': RETRIES,
  'connect.backoff.max.delay.ms': RETRIES,
  'connect.max.attempts': RETRIES,
  'cursor.oversize.handling.mode': ['not-needed', 'large events are split by the server and put together again'],
  'cursor.oversize.skip.threshold': ['not-needed', 'large events are split by the server and put together again'],
  'cursor.pipeline.order': ['not-needed', 'the pipeline runs behind the namespace filter'],
  'incremental.snapshot.chunk.size': INCREMENTAL,
  'incremental.snapshot.watermarking.strategy': INCREMENTAL,
  'sourceinfo.struct.maker': JAVA_CLASS,
  'topic.naming.strategy': JAVA_CLASS,
  'transaction.metadata.factory': JAVA_CLASS,
  'post.processors': JAVA_CLASS,
  converters: JAVA_CLASS,
  'schema.name.adjustment.mode': ['not-needed', 'records carry no schema'],
  'field.name.adjustment.mode': ['not-supported', 'names of fields stay as they are'],
  'topic.cache.size': TUNING,
  'topic.heartbeat.prefix': HEARTBEAT,
  'topic.transaction': ['not-needed', 'no topic of transactions is written'],
  'extended.headers.enabled': ['not-needed', 'records carry no headers; the values say the same in `source`'],
  'custom.metric.tags': ['not-needed', 'metrics carry the name of the pipeline'],
  'custom.sanitize.pattern': ['not-needed', 'secrets are never logged'],
};

/** The same by their beginning. */
export const DEBEZIUM_PREFIXES: Readonly<Record<string, Known>> = {
  'heartbeat.': HEARTBEAT,
  'signal.': SIGNAL,
  'incremental.': INCREMENTAL,
  'notification.': NOTIFY,
  'openlineage.': LINEAGE,
  'guardrail.': GUARD,
  'mongodb.ssl.': STORES,
  'snapshot.mode.': ['not-supported', 'only the modes of snapshot.mode are known'],
  'post.processors.': JAVA_CLASS,
  'internal.': ['not-needed', 'an internal setting'],
};
