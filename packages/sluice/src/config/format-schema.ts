import { z } from 'zod';
import type { FormatConfig } from '../formats/format-config.ts';

const JSON_KINDS =
  'How BSON values are written: `relaxed` or `canonical` Extended JSON, `plain` JSON (lossy), or `bson`.';

const json = z.enum(['relaxed', 'canonical', 'plain', 'bson']).default('relaxed').describe(JSON_KINDS);

const cluster = z
  .string()
  .min(1)
  .optional()
  .describe('Name of the source deployment in the records. Default: the replica set of the connection string.');

const change = z.strictObject({
  name: z.literal('change').describe('The change event as MongoDB describes it.'),
  json,
});

const document = z.strictObject({
  name: z.literal('document').describe('The document after the change; a null value for a delete.'),
  json,
  whenGone: z
    .enum(['reject', 'skip'])
    .optional()
    .describe(
      'What becomes of an update whose document the server looked up and did not find: a dead letter, or nothing. ' +
        'Default: `skip` when the source has `fullDocument: updateLookup` (a delete follows), else `reject`.',
    ),
});

const debezium = z.strictObject({
  name: z.literal('debezium').describe("Debezium's envelope and operation codes."),
  documents: z
    .enum(['legacy', 'relaxed', 'canonical'])
    .default('legacy')
    .describe('Extended JSON inside `before` and `after`: `legacy` is what Debezium writes by default.'),
  tombstones: z.boolean().default(true).describe('A delete is followed by a null record with the same key.'),
  connector: z.string().min(1).optional().describe('`source.name` of the envelope. Default: the name of the pipeline.'),
});

const cloudevents = z.strictObject({
  name: z.literal('cloudevents').describe('CloudEvents 1.0.'),
  mode: z
    .enum(['structured', 'binary'])
    .default('structured')
    .describe('`structured`: one JSON envelope. `binary`: attributes as headers, data as the value.'),
  json,
  cluster,
});

const kafkaConnect = z.strictObject({
  name: z.literal('kafka-connect').describe("Keys and values of MongoDB's source connector for Kafka Connect."),
  json: z
    .enum(['legacy', 'canonical', 'simplified'])
    .default('legacy')
    .describe(
      'Its JSON formatter: `legacy` is DefaultJson (its default), `canonical` ExtendedJson, `simplified` SimplifiedJson.',
    ),
  value: z
    .enum(['change', 'document'])
    .default('change')
    .describe('`change`: the event. `document`: the document alone, as with `publish.full.document.only`.'),
  tombstones: z.boolean().default(false).describe('With `value: document`: a delete is a null value, else nothing.'),
  key: z
    .enum(['document', 'token'])
    .default('document')
    .describe(
      '`document`: the document key. `token`: the resume token; in several partitions documents lose their order.',
    ),
});

const natsConnector = z.strictObject({
  name: z.literal('nats-connector').describe('The event as mongodb-nats-connector writes it.'),
});

const named = z.discriminatedUnion('name', [change, document, debezium, cloudevents, kafkaConnect, natsConnector]);

/** What the `format` of a sink may be: a name, or a mapping with the name and its options. */
export const formatSetting = z
  .union([z.enum(['change', 'document', 'debezium', 'cloudevents', 'kafka-connect', 'nats-connector']), named])
  .prefault('change')
  .transform((setting) => (typeof setting === 'string' ? named.parse({ name: setting }) : setting))
  .describe(
    'How a change becomes a record: `change`, `document`, `debezium`, `cloudevents`, `kafka-connect` or `nats-connector`, or a mapping with options.',
  );

/** A validated `format` setting with all its defaults. */
export type FormatSetting = z.output<typeof named>;

/** What a format needs to know besides its setting. */
export interface FormatSurroundings {
  readonly identity: FormatConfig['identity'];
  /** True when documents of updates are looked up later, so that a missing one means a delete follows. */
  readonly looksUp: boolean;
}

/** The setting as the formats want it; names in the setting win over those of the surroundings. */
export function formatConfig(setting: FormatSetting, { identity: known, looksUp }: FormatSurroundings): FormatConfig {
  const cluster = ('cluster' in setting ? setting.cluster : undefined) ?? known.cluster;
  const identity = { ...known, cluster };
  if (setting.name === 'debezium') {
    const { documents, tombstones, connector = known.connector } = setting;
    const debeziumOptions = { documents, tombstones };
    return { name: setting.name, json: 'relaxed', debezium: debeziumOptions, identity: { ...identity, connector } };
  }
  if (setting.name === 'kafka-connect') {
    const { name: connect, json: style, value, tombstones, key } = setting;
    return { name: connect, json: 'relaxed', kafkaConnect: { json: style, value, tombstones, key }, identity };
  }
  if (setting.name === 'nats-connector') return { name: setting.name, json: 'relaxed', identity };
  const { name, json: encoding } = setting;
  if (name === 'cloudevents') return { name, json: encoding, cloudeventsMode: setting.mode, identity };
  if (name === 'change') return { name, json: encoding, identity };
  return { name, json: encoding, document: { whenGone: setting.whenGone ?? (looksUp ? 'skip' : 'reject') }, identity };
}
