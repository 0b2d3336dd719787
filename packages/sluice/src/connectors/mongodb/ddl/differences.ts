import type { BsonValue } from '../../../core/change-event.ts';
import { comparable, type Fields, fieldsIn, without } from './raw-fields.ts';
import type { Existing } from './target-commands.ts';

/** What the server means where an option is left out. */
const DEFAULTS: Readonly<Record<string, string>> = {
  validationLevel: '"strict"',
  validationAction: '"error"',
  validator: '{}',
  capped: 'false',
  pipeline: '[]',
  changeStreamPreAndPostImages: '{"enabled":false}',
};
/** What the server fills in by itself, or what only concerns the server that it is on. */
const OWN_OPTIONS = ['uuid', 'idIndex', 'temp', 'autoIndexId', 'flags'];
const FILLED_IN: Readonly<Record<string, readonly string[]>> = {
  collation: ['version'],
  timeseries: ['bucketMaxSpanSeconds', 'bucketRoundingSeconds'],
  clusteredIndex: ['v', 'name'],
};

/** The names of the options in which what is there differs from what is wanted; `type` when it is something else. */
export function differences(existing: Existing, wanted: Fields): readonly string[] {
  const type = wanted.has('timeseries') ? 'timeseries' : wanted.has('viewOn') ? 'view' : 'collection';
  if (existing.type !== type) return ['type'];
  const have = without(existing.options, OWN_OPTIONS);
  const names = new Set([...have.keys(), ...wanted.keys()]);
  return [...names].filter((name) => textOf(name, have.get(name)) !== textOf(name, wanted.get(name)));
}

function textOf(name: string, value: BsonValue | undefined): string | undefined {
  if (value === undefined) return DEFAULTS[name];
  const filled = FILLED_IN[name];
  if (filled === undefined) return comparable(name, value);
  const fields = [...fieldsIn(value)].filter(([field]) => !filled.includes(field));
  // A setting may be spelt out or be the default, and in another order.
  const texts = fields.map(([field, one]) => `${field}: ${comparable(field, one)}`);
  return texts.toSorted().join();
}
