import { z } from 'zod';
import { byteSize, duration, filePath } from '../../settings/scalars.ts';

const PLACEHOLDERS = /\{[^{}]*\}/g;
const KNOWN_PLACEHOLDERS = new Set(['{db}', '{coll}', '{date}']);

function isPathTemplate(text: string): boolean {
  const literal = text.replace(PLACEHOLDERS, '');
  const known = (text.match(PLACEHOLDERS) ?? []).every((placeholder) => KNOWN_PLACEHOLDERS.has(placeholder));
  return known && !/[{}]/.test(literal) && !/[/\\]$/.test(text);
}

const envelope = z
  .boolean()
  .default(false)
  .describe(
    'Write every record as `{"key":…,"headers":…,"value":…}`. When false, a record is its value alone; only what ' +
      'would be lost that way is written like that: tombstones (`"value":null`) and records with headers.',
  );

/** The `file` sink. */
export const fileSinkConfig = z.strictObject({
  path: filePath()
    .refine(isPathTemplate, 'must be the path of a file; `{db}`, `{coll}` and `{date}` are replaced')
    .describe(
      'File to append to; directories are made. `{db}`, `{coll}` and `{date}` (UTC day of the change, `2026-01-31`) are ' +
        'replaced; in names, other characters than letters, digits, `.`, `_`, `-` become `%` and their code. One record ' +
        'per line, or BSON documents one after another when the encoding is `bson`.',
    ),
  envelope,
  rotate: z
    .strictObject({
      bytes: byteSize(undefined, { min: '1KiB' }).optional().describe('Begin a new file before this size is passed.'),
      age: duration(undefined, { min: '1s' })
        .optional()
        .describe('Begin a new file with the first write after the file has this age.'),
    })
    .prefault({})
    .describe(
      'When to put the file aside as `<path>.000001`, `<path>.000002`, … and begin a new one. Default: never. A file ' +
        'of BSON is read once when it is opened, so give it a size.',
    ),
  fsync: z
    .enum(['batch', 'none'])
    .default('batch')
    .describe(
      '`batch`: a batch counts as delivered when it is on the disk. `none`: when the system has it; a crash of the ' +
        'machine can then lose what the checkpoint calls delivered.',
    ),
});

/** The `stdout` sink. */
export const stdoutSinkConfig = z.strictObject({ envelope });

/** Checkpoints in a directory. */
export const fileCheckpointConfig = z.strictObject({
  path: filePath().describe('Directory for the checkpoints, one file per partition; it is made when it is missing.'),
});

/** Dead letters in a file. */
export const fileDeadLetterConfig = z.strictObject({
  path: filePath().describe('File for the dead letters, one per line. It holds documents: protect it like the source.'),
});

/** Learned schemas in a directory. */
export const fileSchemaConfig = z.strictObject({
  path: filePath().describe('Directory for what is learned of the schema; it is made when it is missing.'),
});

/** The validated `file` sink settings. Times in ms, sizes in bytes. */
export type FileSinkConfig = z.output<typeof fileSinkConfig>;

/** The validated `stdout` sink settings. */
export type StdoutSinkConfig = z.output<typeof stdoutSinkConfig>;

/** The validated settings of checkpoints in a directory. */
export type FileCheckpointConfig = z.output<typeof fileCheckpointConfig>;

/** The validated settings of learned schemas in a directory. */
export type FileSchemaConfig = z.output<typeof fileSchemaConfig>;

/** The validated settings of dead letters in a file. */
export type FileDeadLetterConfig = z.output<typeof fileDeadLetterConfig>;
