import { type Command, Option } from 'commander';
import { action } from './action.ts';
import { describedCommand } from './help.ts';
import { httpUrl } from './http-url.ts';

/** Options of `sluice schema`. */
export interface SchemaOptions {
  readonly url?: string | undefined;
  readonly collection?: string | undefined;
  readonly jsonSchema?: boolean | undefined;
  readonly dialect?: 'mongodb' | '2020-12' | undefined;
  readonly accept?: boolean | undefined;
}

/** `sluice schema` */
export function schemaCommand(): Command {
  return describedCommand({
    name: 'schema',
    summary: 'fields and types that a pipeline has learned, and what changed',
    description:
      'Shows the fields and BSON types of each collection as the pipeline has seen them, and the last changes. It asks ' +
      'the HTTP endpoint of "sluice run"; where nobody answers, it reads what is kept beside the checkpoints. Counts ' +
      'are of whole documents; what is read again counts again. Exit code 2 when there is no such pipeline or no ' +
      'schema, 3 when nobody answers and nothing is kept.',
    examples: [
      ['sluice schema orders', 'all collections of the pipeline'],
      ['sluice schema orders --collection shop.users --json-schema', 'one of them, for a validator of MongoDB'],
      ['sluice schema orders --accept', 'let documents with changes pass that are refused now'],
    ],
  })
    .argument('<pipeline>', 'name of the pipeline')
    .option('--collection <name>', 'only this collection, as database.collection')
    .addOption(new Option('--json-schema', 'print JSON Schema, made of what was seen'))
    .addOption(
      new Option(
        '--dialect <name>',
        'of --json-schema: mongodb for $jsonSchema with bsonType, 2020-12 for the documents as relaxed Extended JSON',
      )
        .choices(['mongodb', '2020-12'])
        .default('mongodb'),
    )
    .addOption(
      new Option('--accept', 'accept all changes that documents are refused for').conflicts([
        'jsonSchema',
        'collection',
      ]),
    )
    .option('--url <url>', 'address of the endpoint', httpUrl)
    .action(
      action<SchemaOptions>(async (invocation) => {
        const { schema } = await import('./show-schema.ts');
        return schema(invocation);
      }),
    );
}
