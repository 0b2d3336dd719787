import { z } from 'zod';
import { byteSize, duration, filePath, secretString, secretUri, wholeNumber } from '../../settings/scalars.ts';
import { columnsConfig } from './columns/columns-config.ts';
import { parseConnectionUri, UriError } from './connection-uri.ts';
import { isNameTemplate } from './names.ts';

const DEFAULT_PORT = 5432;
const MOST_RECORDS = 10_000;

const tlsFiles = z.strictObject({
  ca: filePath()
    .optional()
    .describe('PEM file with the certificates of the authorities to trust instead of the usual ones.'),
  cert: filePath().optional().describe('PEM file with the client certificate (mutual TLS).'),
  key: filePath().optional().describe('PEM file with the key of the client certificate.'),
  verify: z
    .enum(['full', 'ca', 'none'])
    .default('full')
    .describe(
      '`full`: the certificate of the server must be of a trusted authority and for its host. `ca`: for any host. ' +
        '`none`: any certificate; anyone on the path can then read and change the data.',
    ),
});

const tls = z
  .union([
    z.boolean(),
    tlsFiles.refine(
      (files) => (files.cert === undefined) === (files.key === undefined),
      '`cert` and `key` go together',
    ),
  ])
  .optional()
  .transform((setting) => (setting === true ? tlsFiles.parse({}) : setting))
  .describe(
    '`true` for TLS with the usual authorities, or a mapping with certificates; `false` for none. Default: as `sslmode` of the URI says, else none.',
  );

const uri = secretUri(['postgresql', 'postgres'])
  .superRefine((secret, context) => {
    try {
      parseConnectionUri(secret.reveal());
    } catch (error) {
      if (!(error instanceof UriError)) throw error;
      context.addIssue({ code: 'custom', message: error.message });
    }
  })
  .describe(
    'Connection string as of libpq: `postgresql://user:password@host:5432/database?sslmode=verify-full`. Several hosts, separated by commas, are tried in turn until one can be written to.',
  );

/** How to reach the server. */
const connection = {
  uri: uri.optional(),
  host: z.string().min(1).optional().describe('Host to connect to, or the directory of its socket; instead of `uri`.'),
  port: wholeNumber(1, 65_535).default(DEFAULT_PORT).describe('Port, with `host`.'),
  database: z.string().min(1).optional().describe('Database, with `host`. Default: the name of the user.'),
  user: z.string().min(1).optional().describe('Name to log in with, with `host`.'),
  password: secretString().optional().describe('Password, with `host`.'),
  tls,
  connectTimeout: duration('10s', { min: '500ms', max: '5m' }).describe('How long connecting and logging in may take.'),
};

function nameTemplate(usual: string) {
  return z
    .string()
    .refine((text) => isNameTemplate(text), 'must be a name, in which `{db}` and `{coll}` are replaced')
    .default(usual);
}

/** The `sink.postgres` section. */
export const postgresSinkConfig = z
  .strictObject({
    ...connection,
    schema: nameTemplate('{db}').describe(
      'Schema of a table; made when it does not exist. `{db}` and `{coll}` are those of the source, after `rename`.',
    ),
    table: nameTemplate('{coll}').describe(
      'Table of a collection; made when it does not exist. `{db}` and `{coll}` are those of the source, after `rename`.',
    ),
    stateSchema: z
      .string()
      .regex(/^(?!pg_)[a-z_][a-z0-9_]{0,62}$/, 'must be a lower-case name of at most 63 characters')
      .default('sluice')
      .describe('Schema of the tables that Sluice keeps for itself: `tables`, `deleted`, `checkpoints`.'),
    ...columnsConfig,
    delivery: z
      .enum(['at-least-once', 'exactly-once'])
      .default('at-least-once')
      .describe(
        '`exactly-once`: each batch and its checkpoint in one transaction of the target, where a second owner of the ' +
          'pipeline is refused. Written in one lane. Either way nothing old overwrites anything new.',
      ),
    checkpoint: z
      .enum(['store', 'target'])
      .default('store')
      .describe('`target` is another way to say `delivery: exactly-once`.'),
    missingDocument: z
      .enum(['reject', 'skip'])
      .optional()
      .describe(
        'An update that came without its document: it is dead-lettered, or left out, because the document is gone and its delete follows. Default: `skip` when the source is a MongoDB that looks documents up, else `reject`.',
      ),
    nul: z
      .enum(['strip', 'dead-letter'])
      .default('strip')
      .describe(
        'Documents with NUL characters in their texts, which PostgreSQL cannot store: written without these characters, or dead-lettered.',
      ),
    onDrop: z
      .enum(['empty', 'keep'])
      .default('empty')
      .describe('When a collection is dropped: its table is emptied, or keeps its rows.'),
    onRename: z
      .enum(['apply', 'ignore'])
      .optional()
      .describe(
        'When a collection is renamed: its rows move to the table of the new name, or stay. Default: `apply` when the source is a MongoDB, else `ignore`, because several partitions of a broker have no order among each other.',
      ),
    keepDeleted: duration('7d', { min: '1m' }).describe(
      'How long it is remembered that a document was deleted; longer than any replay reaches back.',
    ),
    attempts: wholeNumber(1, 20)
      .default(3)
      .describe(
        'How often a row is tried that collides with another one in a unique index or exclusion constraint of yours, or refers to one that is not there, before it is dead-lettered.',
      ),
    statementTimeout: duration('60s', { min: '1s', max: '1h' }).describe(
      'How long one statement may take before the attempt fails and is repeated.',
    ),
    batchRecords: wholeNumber(1, MOST_RECORDS).default(1_000).describe('Most events in one write.'),
    batchBytes: byteSize('8MiB', { min: '1KiB', max: '64MiB' }).describe(
      'Most bytes of events in one write; a larger event goes alone.',
    ),
  })
  .superRefine(({ uri: given, host, user, database, password }, context) => {
    const others = [host, user, database, password].some((value) => value !== undefined);
    if (given === undefined && host === undefined) {
      context.addIssue({ code: 'custom', path: ['uri'], message: 'must be given, or `host`' });
    } else if (given !== undefined && others) {
      const message = 'already says where to connect and how: leave out host, user, database and password';
      context.addIssue({ code: 'custom', path: ['uri'], message });
    }
  })
  .overwrite((config) => (config.checkpoint === 'target' ? { ...config, delivery: 'exactly-once' as const } : config))
  .describe(
    'Writes documents to PostgreSQL: a table per collection, with the document as jsonb and columns of fields.',
  );

/** The validated `sink.postgres` section. Times in ms, sizes in bytes. */
export type PostgresSinkConfig = z.output<typeof postgresSinkConfig>;

/** The part that connections are made by. */
export type PostgresConnection = Pick<
  PostgresSinkConfig,
  'uri' | 'host' | 'port' | 'database' | 'user' | 'password' | 'tls' | 'connectTimeout' | 'statementTimeout'
>;

/** Hosts and database, for people; without secrets. */
export function shownTarget({ uri: given, host = '', port, database }: PostgresConnection): string {
  if (given === undefined) return `postgresql://${host}:${port}${database === undefined ? '' : `/${database}`}`;
  const parsed = parseConnectionUri(given.reveal());
  const hosts = parsed.hosts.map((one) => `${one.host}:${one.port}`).join(',');
  return `postgresql://${hosts}${parsed.database === undefined ? '' : `/${parsed.database}`}`;
}
