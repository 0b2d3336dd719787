import { z } from 'zod';
import type { OnSchemaChange, SchemaSettings } from '../schema/settings.ts';
import { wholeNumber } from '../settings/scalars.ts';
import type { ChosenConnector } from './config.ts';

/** What the file says about the schema; undefined when it says nothing. */
export type SchemaSetting = 'off' | (SchemaSettings & { readonly store: ChosenConnector | undefined }) | undefined;

/** The schema of a pipeline's collections: how it is learned and watched, and where that is kept. */
export interface SchemaConfig extends SchemaSettings {
  /** Undefined when only the process knows it. */
  readonly store: ChosenConnector | undefined;
}

const ON_CHANGE = ['allow', 'warn', 'dead-letter', 'stop'] as const satisfies readonly OnSchemaChange[];

const settings = {
  onChange: z
    .enum(ON_CHANGE)
    .default('warn')
    .describe(
      'What happens with a new field or type after a collection was learned. `allow`: it is learned and shown. `warn`: ' +
        'it is logged too. `dead-letter`: the documents that have it become dead letters until it is accepted with ' +
        '`sluice schema PIPELINE --accept`. `stop`: the pipeline stops until then. A new collection is only told.',
    ),
  learnDocuments: wholeNumber(1, 1_000_000)
    .default(100)
    .describe(
      'Documents of a collection that only teach, at the beginning. Rows of a snapshot always only teach, and count.',
    ),
  collapseAbove: wholeNumber(10, 1_000)
    .default(100)
    .describe(
      'An embedded document with more different field names than this is taken for a map with data as names; they are ' +
        'then one, `*`. Names that are numbers, ObjectIds or UUIDs always are.',
    ),
};

/** The defaults of the settings. */
export const SCHEMA_DEFAULTS: SchemaSettings = z.strictObject(settings).parse({});

/** The schema of the `schema` section; `places` are the connectors that it can be kept in. */
export function schemaSection(places: z.ZodRawShape) {
  return z
    .union([z.literal('off'), z.strictObject({ ...places, ...settings })], {
      error: 'must be off, or a mapping with onChange and a place',
    })
    .optional()
    .describe(
      'The fields and types of each collection are learned, and what is new after that is a change: see ' +
        '`sluice schema PIPELINE`. What is learned is kept beside the checkpoints, in a collection `schemas` or in the same ' +
        'directory; where there are none (`delivery: exactly-once`, sources that keep their own position), it is ' +
        'kept in memory and learned anew after a restart, unless a place is named. `off`: nothing is learned.',
    );
}
