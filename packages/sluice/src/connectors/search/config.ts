import { z } from 'zod';
import { byteSize, duration, wholeNumber } from '../../settings/scalars.ts';
import { connectionShape } from './connection-config.ts';
import { indexTemplateProblem } from './index-name.ts';

/** What the products take for the name of a field. */
const FIELD_NAME = /^[^\s.\p{Cc}][^.\p{Cc}]{0,254}$/u;

const jsonObject = z.record(z.string(), z.unknown());

const deletes = z
  .strictObject({
    mode: z
      .enum(['remove', 'tombstone'])
      .default('remove')
      .describe(
        '`remove`: a deleted document is removed, and the index remembers its version for `gcDeletes`. `tombstone`: it is replaced by an empty document with a mark, which is removed after `keepTombstones`; for indexes whose settings cannot be changed, and for replays that reach back longer.',
      ),
    gcDeletes: duration('24h', { min: '1m', max: '24d' }).describe(
      '`index.gc_deletes` of indexes that are made or adopted: how long the version of a removed document is remembered, so that nothing older comes back. Longer than any replay or paused process reaches back.',
    ),
    keepTombstones: duration('7d', { min: '1m', max: '3650d' }).describe(
      'How long tombstones are kept, with `mode: tombstone`.',
    ),
  })
  .prefault({})
  .describe('What becomes of deleted documents.');

const mapping = z
  .strictObject({
    from: z
      .enum(['both', 'learned', 'validator', 'none'])
      .default('both')
      .describe(
        'Where the types of fields come from, besides `properties`. `learned`: from what the documents show. `validator`: from the `$jsonSchema` of the collection. `both`: the validator first. `none`: from `properties` and the index alone.',
      ),
    properties: jsonObject
      .default({})
      .describe('`properties` of a mapping, as the product takes them. They go before everything that is derived.'),
    dynamic: z
      .union([z.boolean(), z.enum(['strict', 'runtime'])], { error: 'must be true, false, strict or runtime' })
      .default(true)
      .describe(
        'What an index does with a field that its mapping does not know. `true`: maps it. `false`: keeps it without making it searchable. `strict`: refuses the document. `runtime`: a runtime field (Elasticsearch only).',
      ),
    dateDetection: z
      .boolean()
      .default(false)
      .describe(
        'Map text that looks like a date as a date. Dates of MongoDB are known as such without it; one text in such a field that is no date would be refused.',
      ),
    malformed: z
      .enum(['ignore', 'dead-letter'])
      .default('ignore')
      .describe(
        'A value that does not fit the type of its field. `ignore`: the document is written, and the value is kept in it without being searchable (`ignore_malformed`). `dead-letter`: the document becomes one.',
      ),
    fieldLimit: wholeNumber(1, 100_000)
      .default(1000)
      .describe(
        '`index.mapping.total_fields.limit` of indexes that are made. Fields beyond it are not mapped any more; a warning comes before.',
      ),
  })
  .prefault({})
  .describe('Mapping of the fields.');

const retries = z
  .strictObject({
    attempts: wholeNumber(1, 100)
      .default(8)
      .describe(
        'Tries of documents that are refused because the cluster is busy (429, 503) before the batch fails and is repeated.',
      ),
    min: duration('100ms', { min: '1ms' }).describe('Wait after the first try; it doubles with every further one.'),
    max: duration('10s', { min: '1ms' }).describe('Longest wait.'),
  })
  .refine(({ min, max }) => min <= max, { message: 'min must not be longer than max', path: ['min'] })
  .prefault({})
  .describe('Documents that the cluster is too busy for. Only these are sent again.');

/** The `sink.search` section. */
export const searchSinkConfig = z
  .strictObject({
    ...connectionShape,
    index: z
      .string()
      .superRefine((text, context) => {
        const message = indexTemplateProblem(text);
        if (message !== undefined) context.addIssue({ code: 'custom', message });
      })
      .default('{db}.{coll}')
      .describe(
        'Index of a document. `{db}` and `{coll}` are those of the source, after `rename`; each collection needs an index of its own. Upper case becomes lower case; other characters that no index can have become `_`, and then a short hash is added.',
      ),
    createIndexes: z
      .boolean()
      .default(true)
      .describe(
        'Make indexes that do not exist, with mapping and settings. When false, a missing index stops the pipeline.',
      ),
    settings: jsonObject
      .default({})
      .describe('Settings of indexes that are made, as the product takes them (`number_of_shards: 3`).'),
    mapping,
    idField: z
      .string()
      .regex(FIELD_NAME, 'must be a name without dots and spaces')
      .refine((name) => !name.startsWith('_'), 'must not begin with `_`')
      .optional()
      .describe(
        'Field of the document that gets the `_id`, too, as text. Without it the `_id` is only the id of the hit.',
      ),
    routing: z
      .string()
      .min(1)
      .max(1000)
      .refine((path) => path.split('.').every((name) => name !== ''), 'must be names joined by dots')
      .optional()
      .describe(
        'Path of the field whose value chooses the shard. It must be in every document, deleted ones included, and must never change for one: use `_id` or a field of it. With pre-images recorded and read, it may change, and deletes know it.',
      ),
    pipeline: z
      .string()
      .min(1)
      .max(255)
      .optional()
      .describe('Ingest pipeline that documents go through. It must exist.'),
    deletes,
    missingDocument: z
      .enum(['reject', 'skip'])
      .optional()
      .describe(
        'An update that came without its document. `reject`: it is dead-lettered. `skip`: it is left out, because the document is gone and its delete follows. Default: `skip` when the source is a MongoDB that looks documents up, else `reject`.',
      ),
    onDrop: z
      .enum(['empty', 'keep'])
      .default('empty')
      .describe('When a collection is dropped. `empty`: its documents are removed. `keep`: they stay.'),
    onRename: z
      .enum(['apply', 'ignore'])
      .optional()
      .describe(
        'When a collection is renamed. `apply`: its documents move to the index of the new name. `ignore`: they stay. Default: `apply` when the source is a MongoDB, else `ignore`, because several partitions of a broker have no order among each other.',
      ),
    batchRecords: wholeNumber(1, 10_000).default(1000).describe('Most events in one write.'),
    batchBytes: byteSize('8MiB', { min: '1KiB', max: '64MiB' }).describe(
      'Most bytes of events in one write, and of one bulk request; a larger document goes alone.',
    ),
    retries,
    refresh: z
      .enum(['false', 'wait_for'])
      .default('false')
      .describe('`wait_for`: a write waits until it can be searched for. Slow; for tests.'),
  })
  .superRefine(({ nodes, tls, auth }, context) => {
    // Zod comes here with what it could not read, too.
    if (!Array.isArray(nodes) || !nodes.every((text) => typeof text === 'string' && URL.canParse(text))) return;
    const secure = nodes.filter((text) => new URL(text).protocol === 'https:').length;
    if (tls !== undefined && secure < nodes.length) {
      context.addIssue({ code: 'custom', path: ['tls'], message: 'needs `nodes` that start with https://' });
    }
    if (auth !== undefined && secure !== 0 && secure < nodes.length) {
      context.addIssue({ code: 'custom', path: ['nodes'], message: 'must be https:// all or none, with `auth`' });
    }
  })
  .describe('Writes documents to Elasticsearch or OpenSearch, one index per collection.');

/** The validated `sink.search` section. Times in ms, sizes in bytes. */
export type SearchSinkConfig = z.output<typeof searchSinkConfig>;

/** The settings that a connection needs. */
export type { SearchConnectionConfig } from './connection-config.ts';
