import type { Document } from 'mongodb';
import { arrayValue, documentValue } from '../../../bson/build-document.ts';
import { BsonType } from '../../../bson/elements.ts';
import { stringValue } from '../../../bson/make-values.ts';
import type { BsonValue } from '../../../core/change-event.ts';
import { RawValue } from '../snapshot/raw-literal.ts';
import { type Fields, fieldsIn, fieldsOfDocument, plainOf, textOf, without } from './raw-fields.ts';

/*
 * From what the server says that was done to the command that does it. Values stay the bytes that they are: validators
 * and partial filters keep their types, keys of indexes the order of their fields.
 */

/** What a server says about a collection and does not take back, or what only concerns the server that it is on. */
const NOT_OPTIONS = ['idIndex', 'uuid', 'temp', 'autoIndexId', 'flags'];
const NOT_INDEX_OPTIONS = ['ns', 'background', 'dropDups'];
const EXPIRY = 'expireAfterSeconds';
const SIMPLE_COLLATION = documentValue([['locale', stringValue('simple')]]);
/** The granularities of time series, by the longest time in one bucket. */
const GRANULARITIES = new Map([
  [3_600, 'seconds'],
  [86_400, 'minutes'],
  [2_592_000, 'hours'],
]);

/** How expiry is treated. */
export interface TtlSetting {
  readonly ttl: 'apply' | 'hold';
}

/** The options that a collection, a time series or a view is to have. `viewOn` is the target's name. */
export function optionsOf(description: Fields, { ttl, viewOn }: TtlSetting & { readonly viewOn?: string }): Fields {
  const options = new Map(held(without(description, NOT_OPTIONS), ttl));
  const series = timeSeriesOf(description);
  if (series !== undefined) {
    for (const name of ['viewOn', 'pipeline', 'collation']) options.delete(name);
    options.set('timeseries', series);
  } else if (viewOn !== undefined) options.set('viewOn', stringValue(viewOn));
  const collation = options.get('collation');
  if (collation !== undefined) options.set('collation', anyVersion(collation));
  return options;
}

export function createCommand(coll: string, options: Fields): Document {
  return { create: coll, ...rawFields(options) };
}

/** Makes a collection capped, of the size that `like` has. */
export function convertCommand(coll: string, like: Fields): Document {
  return { convertToCapped: coll, ...rawFields(new Map([...like].filter(([name]) => name === 'size'))) };
}

/** A command that changes options; undefined when nothing that concerns the target is left to change. */
export function modifyCommand(
  coll: string,
  description: Fields,
  { ttl, viewOn }: TtlSetting & { readonly viewOn?: string },
): Document | undefined {
  const series = timeSeriesOf(description);
  // The collation of a view cannot be changed; the server repeats it.
  const options = new Map(held(without(description, ['collation']), ttl));
  if (series !== undefined) return { collMod: coll, timeseries: new RawValue(granularityOf(series), 'timeseries') };
  if (viewOn !== undefined) options.set('viewOn', stringValue(viewOn));
  const index = fieldsIn(options.get('index'));
  if (index.size > 0) {
    const rest = held(index, ttl);
    if (rest.size > 1) options.set('index', documentValue(rest));
    else options.delete('index');
  }
  return options.size === 0 ? undefined : { collMod: coll, ...rawFields(options) };
}

/** An index to make. */
export interface IndexToMake {
  readonly name: string;
  readonly spec: BsonValue;
}

/** The indexes of a `createIndexes` event, in the form that the command takes. */
export function indexesOf(description: Fields, { ttl }: TtlSetting): readonly IndexToMake[] {
  return indexDocuments(description).map((document) => {
    const fields = new Map(held(without(fieldsOfDocument(document.bytes), NOT_INDEX_OPTIONS), ttl));
    const collation = fields.get('collation');
    // Without one the index would get that of its collection.
    fields.set('collation', collation === undefined ? SIMPLE_COLLATION : anyVersion(collation));
    return { name: textOf(fields, 'name') ?? '', spec: documentValue(fields) };
  });
}

export function createIndexesCommand(coll: string, indexes: readonly IndexToMake[]): Document {
  const specs = arrayValue(indexes.map(({ spec }) => spec));
  return { createIndexes: coll, indexes: new RawValue(specs, 'indexes') };
}

/** The names of the indexes of an event. */
export function indexNamesOf(description: Fields): readonly string[] {
  return indexDocuments(description).flatMap(({ bytes }) => textOf(fieldsOfDocument(bytes), 'name') ?? []);
}

/** What a time series is like: as the server says, or worked out from how its buckets are read. */
function timeSeriesOf(description: Fields): BsonValue | undefined {
  const told = fieldsIn(description.get('timeseries'));
  if (told.size > 0) {
    const isUsual = textOf(told, 'granularity') !== undefined;
    return documentValue(isUsual ? without(told, ['bucketMaxSpanSeconds', 'bucketRoundingSeconds']) : told);
  }
  const unpack = unpackStage(description);
  const timeField = unpack.get('timeField');
  if (timeField === undefined) return undefined;
  const span = unpack.get('bucketMaxSpanSeconds');
  const granularity = GRANULARITIES.get(Number(plainOf(unpack, 'bucketMaxSpanSeconds')));
  return documentValue([
    ['timeField', timeField],
    ['metaField', unpack.get('metaField')],
    ['granularity', granularity === undefined ? undefined : stringValue(granularity)],
    // Of own spans both are given, and both are the same.
    ['bucketMaxSpanSeconds', granularity === undefined ? span : undefined],
    ['bucketRoundingSeconds', granularity === undefined ? span : undefined],
  ]);
}

function unpackStage(description: Fields): Fields {
  const [first] = fieldsIn(description.get('pipeline')).values();
  return fieldsIn(fieldsIn(first).get('$_internalUnpackBucket'));
}

/** What of a time series can be changed. */
function granularityOf(series: BsonValue): BsonValue {
  return documentValue(without(fieldsIn(series), ['timeField', 'metaField']));
}

function indexDocuments(description: Fields): readonly BsonValue[] {
  return [...fieldsIn(description.get('indexes')).values()].filter(({ type }) => type === BsonType.document);
}

/** Servers may know another version of a collation, and each takes only its own. */
function anyVersion(collation: BsonValue): BsonValue {
  return documentValue(without(fieldsIn(collation), ['version']));
}

function held(fields: Fields, ttl: TtlSetting['ttl']): Fields {
  return ttl === 'hold' ? without(fields, [EXPIRY]) : fields;
}

function rawFields(fields: Fields): Document {
  return Object.fromEntries([...fields].map(([name, value]) => [name, new RawValue(value, name)]));
}
