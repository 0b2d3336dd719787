import { z } from 'zod';
import { byteSize, duration, filePath, secretString, wholeNumber } from '../../settings/scalars.ts';
import { isSubjectFilter, isSubjectTemplate } from './subject-template.ts';

const SERVER = /^((nats|tls):\/\/)?(\[[0-9a-fA-F:.]+\]|[^\s:/@[\]]+)(:\d{1,5})?$/;

/** An atomic batch holds 1000 messages, and one of them is the checkpoint. */
const MOST_RECORDS = 999;

const login = z
  .discriminatedUnion('method', [
    z.strictObject({
      method: z.literal('password'),
      username: z.string().min(1).describe('User name.'),
      password: secretString().describe('Password.'),
    }),
    z.strictObject({ method: z.literal('token'), token: secretString().describe('The token of the server.') }),
    z.strictObject({ method: z.literal('nkey'), seed: secretString().describe('Seed of the user key (`SU…`).') }),
    z.strictObject({
      method: z.literal('creds'),
      file: filePath().describe('`.creds` file with the JWT and the seed of the user; read anew at every connection.'),
    }),
  ])
  .describe('How to log in: `password`, `token`, `nkey` or `creds` (JWT).');

const tlsFiles = z.strictObject({
  ca: filePath()
    .optional()
    .describe('PEM file with the certificates of the authorities to trust instead of the usual ones.'),
  cert: filePath().optional().describe('PEM file with the client certificate (mutual TLS).'),
  key: filePath().optional().describe('PEM file with the key of the client certificate.'),
  handshakeFirst: z.boolean().default(false).describe('TLS before the first message of the server.'),
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

const subjectFilter = z
  .string()
  .refine(isSubjectFilter, 'must be a subject; `*` stands for one token, `>` for the rest');

const createStream = z
  .strictObject({
    enabled: z
      .boolean()
      .default(true)
      .describe('Create the stream if it does not exist. When false, a missing stream stops the pipeline.'),
    subjects: z
      .array(subjectFilter)
      .min(1)
      .optional()
      .describe(
        'Subjects of the data. Default: all that the `subject` template can give; where it begins with a placeholder, `orders.*` and the like are added when the first events of a collection come.',
      ),
    addSubjects: z
      .boolean()
      .default(false)
      .describe('Add the subjects that are needed to a stream that exists and does not take them.'),
    replicas: wholeNumber(1, 5).optional().describe('Replicas of the stream. Default for a new one: 1.'),
    storage: z.enum(['file', 'memory']).optional().describe('Where messages are kept. Default for a new one: `file`.'),
    retention: z
      .enum(['limits', 'workqueue'])
      .optional()
      .describe('When messages are removed. Default for a new one: `limits`.'),
    duplicateWindow: duration(undefined, { min: '100ms' })
      .optional()
      .describe('How long the server remembers message ids. Default for a new one: 2m, or `maxAge` if that is less.'),
    maxBytes: byteSize(undefined, { min: '1KiB' }).optional().describe('Most bytes in the stream.'),
    maxMessages: wholeNumber(1, Number.MAX_SAFE_INTEGER).optional().describe('Most messages in the stream.'),
    maxAge: duration(undefined, { min: '1s', max: '3650d' })
      .optional()
      .describe('Messages are removed after this time.'),
  })
  .prefault({})
  .describe('The stream: what is set here is used to create it, and must fit one that exists.');

const connection = {
  servers: z
    .array(z.string().regex(SERVER, 'must be a server as `host:port` or `nats://host:port`, without a login'))
    .min(1, 'must name at least one server')
    .describe('Servers, as `host:port`; the first that answers is used.'),
  name: z.string().min(1).max(200).default('sluice').describe('Name of this client in the monitoring of the servers.'),
  login: login.optional(),
  tls,
  requestTimeout: duration('10s', { min: '500ms', max: '5m' }).describe('How long to wait for an acknowledgement.'),
};

/** How to reach NATS. */
export const natsConnectionConfig = z.strictObject(connection);

/** The `nats` sink. */
export const natsSinkConfig = z.strictObject({
  ...connection,
  stream: z
    .string()
    .regex(/^[a-zA-Z0-9_-]{1,200}$/, 'must be 1 to 200 letters, digits, `_` or `-`')
    .describe('The JetStream stream to write to.'),
  subject: z
    .string()
    .refine(isSubjectTemplate, 'must be a subject; `{db}`, `{coll}`, `{COLL}`, `{op}` and `{key}` are replaced')
    .default('{coll}.{op}')
    .describe(
      'Subject of an event. `{db}`, `{coll}`, `{COLL}` (upper case), `{op}` and `{key}` are replaced; characters other than letters, digits, `_` and `-` are percent-encoded.',
    ),
  createStream,
  allowDiscardOld: z
    .boolean()
    .default(false)
    .describe('Accept a stream that removes its oldest messages when it is full; `at-least-once` only.'),
  delivery: z
    .enum(['at-least-once', 'exactly-once'])
    .default('at-least-once')
    .describe(
      '`exactly-once`: the checkpoint is kept in the stream, where the server can in one atomic batch with its events.',
    ),
  recordPrefix: z
    .string()
    .refine(isSubjectFilter, 'must be a subject')
    .refine((text) => !/[*>]/.test(text), 'must be a subject without wildcards')
    .optional()
    .describe('Start of the subjects of records of Sluice itself (owner, checkpoint). Default: `sluice.<stream>`.'),
  batchRecords: wholeNumber(1, MOST_RECORDS).default(MOST_RECORDS).describe('Most events in one write.'),
  batchBytes: byteSize('4MiB', { min: '1KiB', max: '64MiB' }).describe(
    'Most bytes of events in one write; a larger event goes alone.',
  ),
  window: wholeNumber(1, 10_000)
    .default(500)
    .describe('Most messages without an acknowledgement, where the server has no atomic batches.'),
  messageIdPrefix: z
    .string()
    .regex(/^[\x21-\x7e]{0,200}$/, 'must be at most 200 visible ASCII characters')
    .optional()
    .describe('Start of `Nats-Msg-Id`; the event id follows. Default: the name of the pipeline and `/`.'),
  headers: z
    .strictObject({
      enabled: z.boolean().default(true).describe('Write the headers of Sluice.'),
      prefix: z
        .string()
        .regex(/^[a-zA-Z0-9._-]{0,64}$/, 'must be at most 64 letters, digits, `.`, `_` or `-`')
        .default('sluice.')
        .describe('Start of the header names: `sluice.op`, `sluice.ns`, `sluice.ts`, `sluice.id`.'),
    })
    .prefault({})
    .describe('Headers of a message: operation, namespace, cluster time and event id.'),
});

const startTime = z.iso
  .datetime({ offset: true, error: 'must be a time with its zone, such as "2026-01-31T12:00:00Z"' })
  .transform((text) => new Date(text));

const filters = z.array(subjectFilter).min(1, 'must name at least one subject');

/** The `nats` source: durable pull consumers of a stream, each with one active owner. */
export const natsSourceConfig = z.strictObject({
  ...connection,
  stream: z
    .string()
    .regex(/^[a-zA-Z0-9_-]{1,200}$/, 'must be 1 to 200 letters, digits, `_` or `-`')
    .describe('The JetStream stream to read.'),
  subjects: filters
    .optional()
    .describe('Subjects to read. Default: all of the stream. Not together with `partitions`.'),
  partitions: z
    .array(filters)
    .min(1)
    .max(256)
    .optional()
    .describe(
      'Lists of subjects that do not overlap; workers share them, each list is read by one worker at a time. Order is kept within a list.',
    ),
  durable: z
    .string()
    .regex(/^[a-zA-Z0-9_-]{1,200}$/, 'must be 1 to 200 letters, digits, `_` or `-`')
    .optional()
    .describe(
      'Name of the durable consumer, created if it does not exist; with `partitions`, `-0`, `-1` and so on are added. Default: `sluice-<pipeline>`.',
    ),
  startAt: z
    .union([z.enum(['all', 'new']), z.strictObject({ time: startTime })], { error: 'must be all, new or { time: … }' })
    .default('all')
    .describe('Where a consumer that is created begins.'),
  ackWait: duration('30s', { min: '1s', max: '1h' }).describe(
    'After this time without a word from its owner a message is delivered again. Slow work is no reason: the server is told in time.',
  ),
  pinTimeout: duration('10s', { min: '1s', max: '10m' }).describe(
    'After this time without a word from its owner a partition goes to another worker.',
  ),
  maxAckPending: wholeNumber(1, 1_000_000)
    .default(10_000)
    .describe('Most messages of one partition that are delivered and not acknowledged.'),
  readAheadMessages: wholeNumber(1, 100_000)
    .default(5000)
    .describe('Most messages of one partition that wait here to be worked on.'),
  readAheadBytes: byteSize('8MiB', { min: '64KiB', max: '1GiB' }).describe(
    'Most bytes of one partition that wait here to be worked on; a larger message comes alone.',
  ),
  maxAwaitTime: duration('1s', { min: '100ms', max: '10s' }).describe(
    'Longest silence before the pipeline hears that there is nothing new.',
  ),
  recordPrefix: z
    .string()
    .refine((text) => isSubjectFilter(text) && !/[*>]/.test(text), 'must be a subject without wildcards')
    .optional()
    .describe(
      'Start of the subjects of records of Sluice itself, which are not events; as `recordPrefix` of the sink that writes the stream. Default: `sluice.<stream>`.',
    ),
});

/** The validated `nats` source settings. Times in ms, sizes in bytes. */
export type NatsSourceConfig = z.output<typeof natsSourceConfig>;

/** The validated `nats` sink settings. Times in ms, sizes in bytes. */
export type NatsSinkConfig = z.output<typeof natsSinkConfig>;

/** The validated settings of how to reach NATS. */
export type NatsConnectionConfig = z.output<typeof natsConnectionConfig>;
