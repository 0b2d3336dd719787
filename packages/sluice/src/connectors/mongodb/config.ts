import { z } from 'zod';
import { byteSize, duration, filePath, secretString, secretUri, wholeNumber } from '../../settings/scalars.ts';
import { GlobError, parseNamespacePattern } from './namespace-glob.ts';
import { snapshotConfig } from './snapshot-config.ts';
import { looksLikeToken, parseClusterTime } from './start-at.ts';
import { stageProblem } from './user-pipeline.ts';

const SELECTION_LIMITS = { min: '500ms', max: '10m' };

const uri = secretUri(['mongodb', 'mongodb+srv']);

const tls = z
  .strictObject({
    caFile: filePath()
      .optional()
      .describe('PEM file with the certificate authorities to trust, instead of the system’s.'),
    certificateKeyFile: filePath().optional().describe('PEM file with the client certificate and its private key.'),
    certificateKeyFilePassword: secretString().optional().describe('Password of the private key.'),
    insecure: z
      .boolean()
      .default(false)
      .describe('Accepts any certificate and host name. Anyone on the path can then read and change the data.'),
  })
  .describe('TLS settings; setting any of them turns TLS on, like `tls=true` in the URI.');

const namespacePattern = z
  .string({ error: 'must be a pattern over database.collection, such as "shop.orders"' })
  .superRefine((text, context) => {
    try {
      parseNamespacePattern(text);
    } catch (error) {
      if (!(error instanceof GlobError)) throw error;
      context.addIssue({ code: 'custom', message: `"${text}" ${error.message}` });
    }
  });

const stage = z.record(z.string(), z.unknown()).superRefine((value, context) => {
  const problem = stageProblem(value);
  if (problem !== undefined) context.addIssue({ code: 'custom', message: problem });
});

const clusterTime = z
  .string({ error: 'must be text: an ISO time with its zone, or "seconds,increment"' })
  .refine((text) => parseClusterTime(text) !== undefined, {
    error: 'must be an ISO time with its zone ("2026-01-31T12:00:00Z") or "seconds,increment" ("1769860800,1")',
  });

const token = z.string({ error: 'must be the `_data` text of a resume token' }).refine(looksLikeToken, {
  error: 'is not a resume token: copy all of the `_data` of a change event (hex that begins with 82)',
});

const startAt = z
  .union([z.literal('now'), z.strictObject({ clusterTime }), z.strictObject({ token })], {
    error: 'must be now, { clusterTime: … } or { token: … }',
  })
  .describe(
    'Where to begin while there is no checkpoint: now, at a cluster time (inclusive), or behind a resume token. Other ' +
      'than now only without a snapshot at the start.',
  );

/** The `source.mongodb` section. Selects changes (`include`, `exclude`, `pipeline`) and says how they are read. */
export const mongodbSourceConfig = z
  .strictObject({
    uri: uri.describe('Connection string of the replica set or the mongos routers.'),
    include: z
      .array(namespacePattern)
      .min(1, 'must name at least one namespace')
      .default(['*.*'])
      .describe(
        'Namespaces to read, as patterns over database.collection: * any characters, ? one, {a,b} alternatives, ' +
          '\\ before a character to take it literally. The databases admin, local and config are never read, the ' +
          'database sluice only when it is named in full.',
      ),
    exclude: z.array(namespacePattern).default([]).describe('Namespaces to leave out of `include`; the same patterns.'),
    pipeline: z
      .array(stage)
      .default([])
      .describe(
        'Aggregation stages that run on the server, behind the namespace filter: $match, $project, $addFields, $set, ' +
          '$unset, $replaceWith, $replaceRoot, $redact. Values in Extended JSON. They must leave _id, operationType, ' +
          'clusterTime, ns and documentKey alone.',
      ),
    fullDocument: z
      .enum(['off', 'updateLookup', 'whenAvailable', 'required'])
      .optional()
      .describe(
        'The document that comes with an update. whenAvailable: as it was right after the change, on collections with ' +
          'changeStreamPreAndPostImages; elsewhere an update comes with what changed and without the document. ' +
          'required: the same, and stops when it is missing. updateLookup: as it is when the event is read, which may ' +
          'be later or gone; needs no images. off: only what changed. Default: updateLookup where the sink needs whole ' +
          'documents (search, postgres), else whenAvailable.',
      ),
    beforeImage: z
      .enum(['off', 'whenAvailable', 'required'])
      .default('off')
      .describe('The document as it was before the change; needs changeStreamPreAndPostImages on the collection.'),
    ddl: z
      .boolean()
      .optional()
      .describe(
        'Also reads events such as create, createIndexes and modify, and more detail in the others; needs MongoDB 6.0. ' +
          'Default: true when the sink is a MongoDB too, else false.',
      ),
    startAt: startAt.default('now'),
    snapshot: snapshotConfig,
    maxAwaitTime: duration('1s', { min: '10ms', max: '30s' }).describe(
      'How long the server waits for changes before it answers that there are none. It bounds how old a position gets.',
    ),
    answerTimeout: duration('5s', { min: '500ms', max: '10m' }).describe(
      'How much longer than maxAwaitTime an answer may take before the server is asked whether it still works on it.',
    ),
    serverSelectionTimeout: duration('10s', SELECTION_LIMITS).describe(
      'How long to look for a server to talk to before the attempt fails and is repeated with backoff.',
    ),
    linger: duration('5ms', { min: '0ms', max: '1s' }).describe(
      'After an answer with few changes: how long to let further changes gather before the server is asked again. It ' +
        'saves most of the work at a steady trickle; a change after a pause is never delayed.',
    ),
    batchSize: wholeNumber(1, 100_000).default(10_000).describe('Most changes in one answer of the server.'),
    batchBytes: byteSize('1MiB', { min: '64KiB', max: '16MiB' }).describe(
      'Size that answers should have; the number of changes asked for adapts to it. One larger change still comes.',
    ),
    readPreference: z
      .enum(['primary', 'primaryPreferred', 'secondary', 'secondaryPreferred', 'nearest'])
      .default('primary')
      .describe('Which member to read from. Secondaries may lag behind and may hold a shorter oplog.'),
    tls: tls.optional(),
  })
  .describe('Reads the change stream of a MongoDB replica set or sharded cluster.');

/** The validated `source.mongodb` section. */
export type MongodbSourceConfig = z.output<typeof mongodbSourceConfig>;

/** How a client connects; the part that the source and the stores share. */
export interface MongodbConnection {
  readonly uri: MongodbSourceConfig['uri'];
  readonly tls?: MongodbSourceConfig['tls'];
  /** In ms; 10 s when left out. */
  readonly serverSelectionTimeout?: number | undefined;
}

function storeConfig(collection: string) {
  return {
    uri: uri.optional().describe('Connection string; the one of the source when left out.'),
    database: z
      .string()
      .min(1)
      .max(63)
      .regex(DATABASE_NAME, 'is not a database name')
      .default('sluice')
      .describe('Database to write to.'),
    collection: z
      .string()
      .min(1)
      .max(200)
      .regex(COLLECTION_NAME, 'is not a collection name')
      .default(collection)
      .describe('Collection to write to; made with the first write.'),
    tls: tls.optional(),
    serverSelectionTimeout: duration(undefined, SELECTION_LIMITS)
      .optional()
      .describe('How long to look for a server to talk to; 10 s when left out.'),
  };
}

const DATABASE_NAME = /^[^/\\. "$*<>:|?\0]+$/;
const COLLECTION_NAME = /^(?!system\.)[^$\0]+$/;

/** The `checkpoint.mongodb` section: a collection for checkpoints, written with majority. */
export const checkpointStoreConfig = z
  .strictObject(storeConfig('checkpoints'))
  .describe('Keeps checkpoints in a MongoDB collection.');

/** The validated `checkpoint.mongodb` section. */
export type MongodbCheckpointStoreConfig = z.output<typeof checkpointStoreConfig>;

/** The `lease.mongodb` section: a collection for leases, written with majority. */
export const leaseStoreConfig = z.strictObject(storeConfig('leases')).describe('Keeps leases in a MongoDB collection.');

/** The validated `lease.mongodb` section. */
export type MongodbLeaseStoreConfig = z.output<typeof leaseStoreConfig>;

/** The `schema.mongodb` section: a collection for learned schemas, written with majority. */
export const schemaStoreConfig = z
  .strictObject(storeConfig('schemas'))
  .describe('Keeps what is learned of the schema in a MongoDB collection.');

/** The validated `schema.mongodb` section. */
export type MongodbSchemaStoreConfig = z.output<typeof schemaStoreConfig>;

/** The `deadLetter.mongodb` section: a collection for what could not be delivered, written with majority. */
export const deadLetterConfig = z
  .strictObject(storeConfig('dead-letters'))
  .describe('Keeps dead letters in a MongoDB collection.');

/** The validated `deadLetter.mongodb` section. */
export type MongodbDeadLetterConfig = z.output<typeof deadLetterConfig>;
