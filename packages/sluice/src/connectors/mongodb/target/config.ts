import { z } from 'zod';
import { byteSize, duration, wholeNumber } from '../../../settings/scalars.ts';
import { checkpointStoreConfig, mongodbSourceConfig } from '../config.ts';
import { ddlConfig } from '../ddl/config.ts';
import { isNameTemplate } from './name-template.ts';

const { uri, tls, serverSelectionTimeout } = mongodbSourceConfig.shape;

/** A transaction should hold no more, and without lanes nothing is gained by larger writes. */
const MOST_RECORDS = 10_000;

function nameTemplate(usual: string) {
  return z
    .string()
    .refine((text) => isNameTemplate(text), 'must be a name, in which `{db}` and `{coll}` are replaced')
    .default(usual);
}

/** A collection of Sluice's own in the target. */
function ownCollection(collection: string) {
  const { database, collection: name } = checkpointStoreConfig.shape;
  return {
    database: database.describe('Database of the collection.'),
    collection: name.unwrap().default(collection).describe('Collection to write to; made with the first write.'),
  };
}

const versions = z
  .strictObject({
    ...ownCollection('versions'),
    keepDeleted: duration('7d', { min: '1m' }).describe(
      'How long the version of a deleted document is remembered; longer than any replay reaches back.',
    ),
  })
  .prefault({})
  .describe('Where `guard: version` keeps the versions of documents.');

const writeConcern = z
  .strictObject({
    w: z
      .union([z.literal('majority'), wholeNumber(1, 50)], { error: 'must be majority or a number of members' })
      .default('majority')
      .describe(
        'How many members must have a write before it counts. With less than majority a failover can lose changes.',
      ),
    timeout: duration('15s', { min: '1s', max: '10m' }).describe(
      'How long to wait for these members before the attempt fails and is repeated.',
    ),
  })
  .prefault({})
  .describe('When a write counts as done.');

/** The `sink.mongodb` section. */
export const mongodbSinkConfig = z
  .strictObject({
    uri: uri.describe('Connection string of the deployment to write to: a replica set, or mongos routers.'),
    tls: tls.unwrap().optional(),
    serverSelectionTimeout,
    database: nameTemplate('{db}').describe(
      'Database of a document. `{db}` and `{coll}` are those of the source, after `rename`.',
    ),
    collection: nameTemplate('{coll}').describe(
      'Collection of a document. `{db}` and `{coll}` are those of the source, after `rename`.',
    ),
    delivery: z
      .enum(['at-least-once', 'exactly-once'])
      .default('at-least-once')
      .describe(
        '`exactly-once`: each batch and its checkpoint in one transaction of the target, where a second owner of the ' +
          'pipeline is refused. Written in one lane.',
      ),
    checkpoint: z
      .enum(['store', 'target'])
      .default('store')
      .describe('`target` is another way to say `delivery: exactly-once`.'),
    checkpoints: z
      .strictObject(ownCollection('checkpoints'))
      .prefault({})
      .describe('Where `exactly-once` keeps the checkpoint in the target.'),
    guard: z
      .enum(['none', 'version'])
      .default('none')
      .describe(
        '`version`: a document is never overwritten with an older state of it, whatever is replayed and whoever ' +
          'writes. The versions are kept in a collection of their own; every write is a transaction.',
      ),
    versions,
    writeConcern,
    attempts: wholeNumber(1, 20)
      .default(3)
      .describe(
        'How often a document is tried that collides with another one in a unique index, before it is dead-lettered.',
      ),
    missingDocument: z
      .enum(['reject', 'skip'])
      .default('reject')
      .describe(
        'An update that came without its document, of a document that the target does not have. `reject`: it is ' +
          'dead-lettered, unless it is so old that it may be a replay. `skip`: it is left out.',
      ),
    validation: z
      .enum(['bypass', 'check'])
      .optional()
      .describe(
        'Validators of the target. `bypass`: documents are written whatever they say, as the source has accepted them. ' +
          '`check`: what they refuse is dead-lettered. Left out: `bypass` where `ddl.create` and `ddl.collMod` are ' +
          '`apply` and the user has the right (`dbAdmin`), else `check`.',
      ),
    ddl: ddlConfig,
    batchRecords: wholeNumber(1, MOST_RECORDS).default(1_000).describe('Most events in one write.'),
    batchBytes: byteSize('8MiB', { min: '1KiB', max: '32MiB' }).describe(
      'Most bytes of events in one write; a larger event goes alone.',
    ),
  })
  .overwrite((config) => (config.checkpoint === 'target' ? { ...config, delivery: 'exactly-once' as const } : config))
  .describe('Writes documents to MongoDB as they are at the source.');

/** The validated `sink.mongodb` section. Times in ms, sizes in bytes. */
export type MongodbSinkConfig = z.output<typeof mongodbSinkConfig>;
