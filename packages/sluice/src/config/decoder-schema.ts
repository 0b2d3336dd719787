import { z } from 'zod';

const headerPrefix = z
  .string()
  .regex(/^[\x21-\x7e]{0,64}$/, 'must be at most 64 visible ASCII characters')
  .optional()
  .describe('Start of the names of the headers that Sluice wrote. Default: `sluice.`, as in its sinks.');

const namespace = z
  .strictObject({
    db: z.string().min(1).describe('Database.'),
    coll: z.string().min(1).describe('Collection.'),
  })
  .optional()
  .describe(
    'Where documents belong whose messages do not say it. Default: what the headers of Sluice say, else the topic, cut ' +
      'at its first dot.',
  );

const key = z
  .enum(['text', 'json'])
  .optional()
  .describe(
    'What the bare keys of messages are: `text`, the `_id` itself whatever it looks like, or `json`, any JSON value. ' +
      'Default: a JSON object or a text in quotes is what it says, a whole number an integer, anything else text.',
  );

const auto = z.strictObject({
  name: z
    .literal('auto')
    .describe('Looks at each message: any of the other formats; what is none of them is a document.'),
  namespace,
  key,
  headerPrefix,
});

const change = z.strictObject({
  name: z.literal('change').describe('The change event as MongoDB describes it, in BSON or any JSON of the format.'),
  headerPrefix,
});

const debezium = z.strictObject({
  name: z.literal('debezium').describe("The envelope of Debezium's connector for MongoDB, with or without schema."),
  headerPrefix,
});

const kafkaConnect = z.strictObject({
  name: z
    .literal('kafka-connect')
    .describe("What MongoDB's source connector for Kafka Connect writes: events, copied rows, or documents alone."),
  namespace,
  key,
  headerPrefix,
});

const document = z.strictObject({
  name: z.literal('document').describe('The document as it is now; a null value deletes the document of the key.'),
  namespace,
  key,
  headerPrefix,
});

const cloudevents = z.strictObject({
  name: z.literal('cloudevents').describe('CloudEvents 1.0 around the event of `change`, structured or binary.'),
  headerPrefix,
});

const named = z.discriminatedUnion('name', [auto, change, debezium, kafkaConnect, document, cloudevents]);

/** What the `format` of a source that reads messages may be: a name, or a mapping with the name and its options. */
export const decoderSetting = z
  .union([z.enum(['auto', 'change', 'debezium', 'kafka-connect', 'document', 'cloudevents']), named])
  .prefault('auto')
  .transform((setting) => (typeof setting === 'string' ? named.parse({ name: setting }) : setting))
  .describe(
    'How a message becomes a change: `auto`, `change`, `debezium`, `kafka-connect`, `document` or `cloudevents`, or a ' +
      'mapping with options.',
  );

/** A validated `format` setting of a source; `createDecoder` takes it as it is. */
export type DecoderSetting = z.output<typeof named>;
