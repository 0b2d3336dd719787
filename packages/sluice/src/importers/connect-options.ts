import type { Known } from './ledger.ts';

const NO_WORKER: Known = ['not-needed', 'there is no worker'];
const RETRIES: Known = ['not-needed', 'failures of the environment are retried for ever'];
const TRANSFORM: Known = ['not-supported', 'a Java class: see `transforms` for what a pipeline can do with records'];
const PRODUCER: Known = ['not-needed', 'the sink tunes itself; it always waits for all in-sync replicas'];
const LOGGED: Known = ['not-needed', 'failures are always logged'];

/** Options that Kafka Connect itself gives every connector. */
export const CONNECT_OPTIONS: Readonly<Record<string, Known>> = {
  'tasks.max': ['not-needed', 'a pipeline reads a stream once; the connector too always had one task'],
  'tasks.max.enforce': NO_WORKER,
  'config.action.reload': NO_WORKER,
  'offsets.storage.topic': ['not-needed', 'checkpoints are kept beside the source or in sluice.checkpoints'],
  'exactly.once.support': ['not-needed', 'a wish of the connector to the worker'],
  'transaction.boundary': ['not-needed', 'each batch is a transaction'],
  'transaction.boundary.interval.ms': ['not-needed', 'each batch is a transaction'],
  'errors.retry.timeout': RETRIES,
  'errors.retry.delay.max.ms': RETRIES,
  'errors.log.include.messages': ['not-needed', 'documents are never logged; a dead letter holds the event'],
  'header.converter': ['not-needed', 'the connector writes no headers'],
};

/** The same by their beginning. */
export const CONNECT_PREFIXES: Readonly<Record<string, Known>> = {
  transforms: TRANSFORM,
  predicates: TRANSFORM,
  'topic.creation.': ['not-supported', 'only the default group is known here'],
  'producer.override.security.providers': ['not-supported', 'a Java class'],
  'producer.override.sasl.': ['not-supported', 'this login is not translated: set sink.kafka.sasl by hand'],
  'producer.override.ssl.': ['not-supported', 'not translated: set sink.kafka.tls by hand'],
  'producer.override.interceptor.classes': ['not-supported', 'a Java class'],
  'producer.override.partitioner.class': ['not-supported', 'records go to the partition that Java’s default chooses'],
  'producer.override.': PRODUCER,
  'consumer.override.': ['not-needed', 'nothing is read from Kafka'],
  'admin.override.': ['not-needed', 'topics are made with the settings of the sink'],
  'errors.log.': LOGGED,
};

/** Settings of a worker. Those of a client that were not taken are of no use here. */
export const WORKER_PREFIXES: Readonly<Record<string, Known>> = {
  'group.id': NO_WORKER,
  'config.': NO_WORKER,
  'offset.': NO_WORKER,
  'status.': NO_WORKER,
  plugin: NO_WORKER,
  listeners: NO_WORKER,
  'rest.': NO_WORKER,
  'admin.listeners': NO_WORKER,
  'internal.': NO_WORKER,
  'connector.client.config.override.policy': NO_WORKER,
  'task.shutdown.graceful.timeout.ms': NO_WORKER,
  'scheduled.rebalance.max.delay.ms': NO_WORKER,
  'worker.': NO_WORKER,
  metric: NO_WORKER,
  'header.converter': CONNECT_OPTIONS['header.converter'] as Known,
  'key.converter': ['not-needed', 'the connector has its own'],
  'value.converter': ['not-needed', 'the connector has its own'],
  'client.id': ['not-needed', 'the client is called sluice'],
  'consumer.': ['not-needed', 'nothing is read from Kafka'],
  'admin.': NO_WORKER,
  'producer.interceptor.classes': ['not-supported', 'a Java class'],
  'producer.partitioner.class': ['not-supported', 'records go to the partition that Java’s default chooses'],
  'producer.': PRODUCER,
  'sasl.': ['not-supported', 'this login is not translated: set sink.kafka.sasl by hand'],
  'ssl.': ['not-supported', 'not translated: set sink.kafka.tls by hand'],
  'request.timeout.ms': PRODUCER,
  'retry.backoff': PRODUCER,
  'reconnect.backoff': PRODUCER,
  'connections.max.idle.ms': PRODUCER,
};
