import { z } from 'zod';
import { byteSize, duration, wholeNumber } from '../../settings/scalars.ts';
import { matchProblem } from './match-query.ts';

const MODES = ['initial', 'never', 'only'] as const;

/** The first dot separates the database from the collection; a pattern would look like a name that nothing has. */
const COLLECTION = /^[^.\s*?{}]+\.[^*?{}]+$/;

const query = z.record(z.string(), z.unknown()).superRefine((value, context) => {
  const problem = matchProblem(value);
  if (problem !== undefined) context.addIssue({ code: 'custom', message: problem });
});

const match = z
  .record(z.string(), query)
  .superRefine((queries, context) => {
    for (const name of Object.keys(queries)) {
      if (COLLECTION.test(name)) continue;
      const message = 'must be the name of one collection, such as "shop.orders"; patterns are not possible here';
      context.addIssue({ code: 'custom', message, path: [name] });
    }
  })
  .default({})
  .describe(
    'Which documents to copy, by collection (`shop.orders`): a query that runs on the server, values in Extended JSON. ' +
      'Only for the copy: changes are selected by `pipeline`. Collections without a query are copied whole.',
  );

const settings = z.strictObject({
  mode: z
    .enum(MODES)
    .default('never')
    .describe(
      '`initial`: a new pipeline copies what is there, then goes on with the changes. `only`: copies and ends. ' +
        '`never`: changes only. With `initial` and `never`, `sluice snapshot PIPELINE` copies on demand.',
    ),
  parallelism: wholeNumber(1, 16).default(4).describe('Reads that run at the same time.'),
  chunkBytes: byteSize('1MiB', { min: '64KiB', max: '8MiB' }).describe(
    'Size that one read should have; the number of documents asked for adapts to it. One larger document still comes.',
  ),
  inFlightBytes: byteSize('4MiB', { min: '64KiB', max: '1GiB' }).describe(
    'Most bytes of rows between reading and acknowledgement, so that changes need not wait long behind them.',
  ),
  maxRowsPerSecond: wholeNumber(1, 1_000_000_000)
    .optional()
    .describe('Most documents read per second; no limit without.'),
  maxBytesPerSecond: byteSize(undefined, { min: '1KiB' })
    .optional()
    .describe('Most bytes of documents read per second; no limit without.'),
  maxStreamLag: duration('10s', { min: '100ms' }).describe(
    'Copying waits while the stream of changes is further behind than this.',
  ),
  maxReplicationLag: duration('10s', { min: '1s' }).describe(
    'Copying waits while the majority of the replica set is further behind than this.',
  ),
  match,
  structure: z
    .boolean()
    .optional()
    .describe(
      'Also hands out what collections are like, as the events that would have made them: `create` in front of the rows ' +
        'of a collection, `createIndexes` behind them; at the start also views, and what is known of time series and ' +
        'capped collections. Needs the privileges listCollections and listIndexes. Default: true when the sink ' +
        'makes use of it (mongodb, search, postgres), else false.',
    ),
});

/** The `snapshot` of the source: a mode, or a mapping with it. The output is always the mapping, with all defaults. */
export const snapshotConfig = z
  .union([z.enum(MODES), settings], { error: 'must be initial, never or only, or a mapping with options' })
  .prefault('never')
  .transform((setting) => (typeof setting === 'string' ? settings.parse({ mode: setting }) : setting))
  .describe('What was there before: `initial`, `never` or `only`, or a mapping with options.');

/** The validated `snapshot` of the source. */
export type SnapshotSettings = z.output<typeof snapshotConfig>;
