import { z } from 'zod';

const POLICIES = ['apply', 'warn', 'ignore', 'stop'] as const;
const policy = z.enum(POLICIES, { error: 'must be apply, warn, ignore or stop' });

/** What is done with a change of the collections themselves. */
export type DdlPolicy = z.output<typeof policy>;

const kinds = z.strictObject({
  create: policy.default('apply').describe('New collections, with their options; time series and capped ones too.'),
  views: policy.default('apply').describe('New views, and changes of them.'),
  createIndexes: policy.default('apply').describe('New indexes.'),
  dropIndexes: policy.default('apply').describe('Indexes that are dropped.'),
  collMod: policy.default('apply').describe('Changes of validators, of what indexes are like, of other options.'),
  rename: policy.default('apply').describe('Collections that get another name.'),
  drop: policy
    .default('apply')
    .describe(
      'Collections and views that are dropped, or replaced by a rename. Without `apply` the target keeps what the ' +
        'source no longer has, and a rename that would replace a collection is left out with a warning.',
    ),
  dropDatabase: policy
    .default('apply')
    .describe(
      'What is left of a database that is dropped: its collections are dropped one by one before (see `drop`), its ' +
        'views with this, and where `drop` is `apply` its time series. Whatever else the target has in a database of ' +
        'that name stays.',
    ),
  sharding: z
    .enum(['warn', 'ignore', 'stop'], { error: 'must be warn, ignore or stop' })
    .default('warn')
    .describe('Collections that are sharded or get another shard key; the target is sharded by its own people.'),
  ttl: z
    .enum(['apply', 'hold'])
    .default('apply')
    .describe(
      '`apply`: documents expire in the target as at the source. `hold`: indexes and collections are made without ' +
        'their expiry, so that only the source decides what goes; set it with collMod when you switch over.',
    ),
  refused: z
    .enum(['warn', 'stop'])
    .default('warn')
    .describe('When the target does not accept a change: `warn` logs an error and goes on, `stop` ends the pipeline.'),
});

/** What `ddl` may say for all kinds at once; a word for all means `warn` for sharding where that cannot be applied. */
function forAll(word: DdlPolicy): z.input<typeof kinds> {
  const sharding = word === 'apply' ? 'warn' : word;
  const all = { create: word, views: word, createIndexes: word, dropIndexes: word, collMod: word, rename: word };
  return { ...all, drop: word, dropDatabase: word, sharding };
}

/** The `ddl` of the sink: one word for all kinds, or a mapping. The output is always the mapping, with all defaults. */
export const ddlConfig = z
  .union([policy, kinds], { error: 'must be apply, warn, ignore or stop, or a mapping with options' })
  .prefault('apply')
  .transform((setting) => (typeof setting === 'string' ? kinds.parse(forAll(setting)) : setting))
  .describe(
    'What is done when collections, indexes and views are made, changed or dropped: `apply`, `warn`, `ignore` or ' +
      '`stop`, for all or per kind. The source tells most of it only with `ddl: true`.',
  );

/** The validated `ddl` of the sink. */
export type DdlConfig = z.output<typeof ddlConfig>;

/** The kinds of changes that a policy is about. */
export type DdlKind = Exclude<keyof DdlConfig, 'ttl' | 'refused'>;
