import { z } from 'zod';
import { byteSize, duration, filePath, secretString, wholeNumber } from '../../settings/scalars.ts';
import { CHECKPOINT_TOPIC, DEAD_LETTER_TOPIC, topicPatternProblem } from './topic-pattern.ts';
import { isTopicTemplate, LONGEST_TOPIC, TOPIC_NAME } from './topic-template.ts';

const BROKER = /^(\[[0-9a-fA-F:.]+\]|[^\s:/@[\]]+)(:\d{1,5})?$/;

/** Settings of a topic as text, the way Kafka takes them. */
const topicSettings = z
  .record(z.string().min(1), z.union([z.string(), z.number(), z.boolean()]).transform(String))
  .default({})
  .describe('Topic settings for new topics, e.g. `retention.ms: 604800000`.');

const createTopics = z
  .strictObject({
    enabled: z
      .boolean()
      .default(true)
      .describe('Create a missing topic at its first use. When false, a missing topic stops the pipeline.'),
    partitions: wholeNumber(1, 100_000)
      .optional()
      .describe('Partitions of a new topic. Default: what the broker is set to (`num.partitions`).'),
    replicationFactor: wholeNumber(1, 100)
      .optional()
      .describe('Replicas of a new topic. Default: what the broker is set to (`default.replication.factor`).'),
    config: topicSettings,
  })
  .prefault({})
  .describe('What to do about topics that do not exist.');

const tokenEndpoint = z
  .strictObject({
    url: z.url({ protocol: /^https?$/ }).describe('Address that issues tokens.'),
    clientId: z.string().min(1).describe('Client id of the client-credentials grant.'),
    clientSecret: secretString().describe('Client secret of the client-credentials grant.'),
    scope: z.string().min(1).optional().describe('Scope to ask for.'),
  })
  .describe('Where to get a token for every login (OAuth 2 client credentials).');

const user = z.string().min(1).describe('User name.');
const password = secretString().describe('Password.');

const sasl = z
  .discriminatedUnion('mechanism', [
    z.strictObject({ mechanism: z.literal('plain'), username: user, password }),
    z.strictObject({ mechanism: z.literal('scram-sha-256'), username: user, password }),
    z.strictObject({ mechanism: z.literal('scram-sha-512'), username: user, password }),
    z
      .strictObject({
        mechanism: z.literal('oauthbearer'),
        token: secretString().optional().describe('A token to log in with.'),
        tokenEndpoint: tokenEndpoint.optional(),
      })
      .refine(
        (oauth) => (oauth.token === undefined) !== (oauth.tokenEndpoint === undefined),
        'set either `token` or `tokenEndpoint`',
      ),
  ])
  .describe('How to log in: `plain`, `scram-sha-256`, `scram-sha-512` or `oauthbearer`.');

const tlsFiles = z.strictObject({
  ca: filePath()
    .optional()
    .describe('PEM file with the certificates of the authorities to trust instead of the usual ones.'),
  cert: filePath().optional().describe('PEM file with the client certificate (mutual TLS).'),
  key: filePath().optional().describe('PEM file with the key of the client certificate.'),
  keyPassphrase: secretString().optional().describe('Passphrase of the key.'),
  insecure: z
    .boolean()
    .default(false)
    .describe('Accept any certificate. Anybody in between can then read and change everything.'),
});

const tls = z
  .union([
    z.boolean(),
    tlsFiles.refine(
      (files) => (files.cert === undefined) === (files.key === undefined),
      '`cert` and `key` go together',
    ),
  ])
  .default(false)
  .transform((setting) => (setting === true ? tlsFiles.parse({}) : setting === false ? undefined : setting))
  .describe('`true` for TLS with the usual authorities, or a mapping with certificates.');

const connection = {
  brokers: z
    .array(z.string().regex(BROKER, 'must be a broker as `host:port`'))
    .min(1, 'must name at least one broker')
    .describe('Brokers to start from, as `host:port`.'),
  clientId: z
    .string()
    .regex(/^[a-zA-Z0-9._-]{1,200}$/, 'must be letters, digits, `.`, `_` or `-`')
    .default('sluice')
    .describe('Name of this client in the logs and quotas of the brokers.'),
  sasl: sasl.optional(),
  tls,
  requestTimeout: duration('30s', { min: '1s', max: '10m' }).describe('How long to wait for the answer to a request.'),
};

const topicName = z.string().regex(TOPIC_NAME, `must be 1 to ${LONGEST_TOPIC} letters, digits, \`.\`, \`_\` or \`-\``);

/** How to reach Kafka: part of every Kafka setting. */
export const kafkaConnectionConfig = z.strictObject(connection);

/** The `kafka` sink. */
export const kafkaSinkConfig = z.strictObject({
  ...connection,
  topic: z
    .string()
    .refine(isTopicTemplate, 'must be a topic name; `{db}`, `{coll}` and `{op}` are replaced')
    .default('{db}.{coll}')
    .describe(
      'Topic of an event. `{db}`, `{coll}` and `{op}` are replaced; other characters than letters, digits, `.`, `_`, `-` become `_`.',
    ),
  createTopics,
  compression: z
    .enum(['zstd', 'lz4', 'snappy', 'gzip', 'none'])
    .default('zstd')
    .describe('Compression of record batches.'),
  delivery: z
    .enum(['at-least-once', 'exactly-once'])
    .default('at-least-once')
    .describe(
      '`exactly-once`: each batch and its checkpoint in one transaction; readers use `isolation.level=read_committed`.',
    ),
  checkpointTopic: topicName
    .default(CHECKPOINT_TOPIC)
    .describe('Compacted topic for checkpoints; `exactly-once` only.'),
  transactionalIdPrefix: z
    .string()
    .regex(/^[a-zA-Z0-9._-]{1,100}$/, 'must be letters, digits, `.`, `_` or `-`')
    .default('sluice')
    .describe(
      'Start of the transactional ids (`<prefix>-<pipeline>-<partition>`); `exactly-once` only. It fences older owners: change it only while nothing runs.',
    ),
  transactionTimeout: duration('60s', { min: '1s', max: '1d' }).describe(
    'After this time the broker aborts a transaction nobody ends; `exactly-once` only. At most `transaction.max.timeout.ms` of the broker.',
  ),
  batchRecords: wholeNumber(1, 100_000).default(2000).describe('Most events in one write (and in one transaction).'),
  batchBytes: byteSize('4MiB', { min: '1KiB', max: '1GiB' }).describe(
    'Most bytes of events in one write; a larger event goes alone.',
  ),
  headers: z
    .strictObject({
      enabled: z.boolean().default(true).describe('Write the headers of Sluice.'),
      prefix: z
        .string()
        .regex(/^[\x21-\x7e]{0,64}$/, 'must be at most 64 visible ASCII characters')
        .default('sluice.')
        .describe('Start of the header names: `sluice.op`, `sluice.ns`, `sluice.ts`, `sluice.id`.'),
    })
    .prefault({})
    .describe('Headers of a record: operation, namespace, cluster time and event id.'),
});

const topicPattern = z
  .string({ error: 'must be a topic, a pattern like "shop.*", or a regular expression like "/^shop[.]/"' })
  .superRefine((text, context) => {
    const problem = topicPatternProblem(text);
    if (problem !== undefined) context.addIssue({ code: 'custom', message: `"${text}" ${problem}` });
  });

const groupName = z.string().min(1, 'must not be empty').max(249, 'must be at most 249 characters');

const startTime = z.iso
  .datetime({ offset: true, error: 'must be a time with its zone, such as "2026-01-31T12:00:00Z"' })
  .transform((text) => Date.parse(text));

/** The `kafka` source: a member of a consumer group. */
export const kafkaSourceConfig = z
  .strictObject({
    ...connection,
    topics: z
      .array(topicPattern)
      .min(1, 'must name at least one topic')
      .describe(
        'Topics to read: names, patterns with `*` and `?`, or regular expressions between slashes. Patterns never match topics that begin with `__`, `sluice.dead-letters` and `sluice.checkpoints`; topics that appear later are taken up.',
      ),
    group: groupName
      .optional()
      .describe('Consumer group; workers of one group share the partitions. Default: `sluice-<pipeline>`.'),
    groupInstanceId: groupName
      .optional()
      .describe(
        'Name of this worker that stays over restarts (static membership): its partitions wait for it for the session time-out. Unique in the group.',
      ),
    startAt: z
      .union([z.enum(['earliest', 'latest']), z.strictObject({ time: startTime })], {
        error: 'must be earliest, latest or { time: … }',
      })
      .default('earliest')
      .describe('Where to begin in a partition that the group has no offset for.'),
    fetchBytes: byteSize('8MiB', { min: '64KiB', max: '256MiB' }).describe(
      'Most bytes in one answer of a broker; a larger record batch comes alone.',
    ),
    partitionBytes: byteSize('1MiB', { min: '16KiB', max: '256MiB' }).describe(
      'Most bytes of one partition in one answer; a larger record batch comes alone.',
    ),
    readAheadBytes: byteSize('16MiB', { min: '64KiB', max: '1GiB' }).describe(
      'Nothing more is fetched while this much (as it came over the wire) waits to be worked on.',
    ),
    maxAwaitTime: duration('1s', { min: '100ms', max: '10s' }).describe(
      'Longest silence before the pipeline hears that there is nothing new.',
    ),
    rebalanceTimeout: duration('5m', { min: '1s', max: '1h' }).describe(
      'How long what is in flight of a partition may take before the partition goes to another worker regardless.',
    ),
    topicRefresh: duration('30s', { min: '500ms', max: '1h' }).describe(
      'How often to look for topics that match `topics` and are new.',
    ),
  })
  .describe('Reads topics as a member of a consumer group (Apache Kafka 4.0 or newer).');

/** Dead letters in a Kafka topic. */
export const kafkaDeadLetterConfig = z.strictObject({
  ...connection,
  topic: topicName.default(DEAD_LETTER_TOPIC).describe('Compacted topic for dead letters.'),
  createTopics,
});

/** The validated `kafka` sink settings. Times in ms, sizes in bytes. */
export type KafkaSinkConfig = z.output<typeof kafkaSinkConfig>;

/** The validated `kafka` source settings. Times in ms, sizes in bytes. */
export type KafkaSourceConfig = z.output<typeof kafkaSourceConfig>;

/** The validated dead-letter settings. */
export type KafkaDeadLetterConfig = z.output<typeof kafkaDeadLetterConfig>;

/** The validated settings of how to reach Kafka. */
export type KafkaConnectionConfig = z.output<typeof kafkaConnectionConfig>;

/** What to do about missing topics. */
export type CreateTopicsConfig = KafkaSinkConfig['createTopics'];
