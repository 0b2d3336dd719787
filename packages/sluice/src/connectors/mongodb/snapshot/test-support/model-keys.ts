import * as b from '../../../../bson/test-support/bson-bytes.ts';
import { encodeValue } from '../../../../bson/value-text.ts';
import type { BsonValue } from '../../../../core/change-event.ts';

/*
 * The `_id` values of the model. Only for tests, like everything here.
 */

/** All keys of the model in the order of an index on `_id`, written down by hand; the forms of one key are one value. */
const KEYS: readonly (readonly b.Value[])[] = [
  [b.minKey],
  [b.nothing],
  [b.double(Number.NaN)],
  [b.int32(-7), b.int64(-7n), b.double(-7)],
  [b.double(0.5)],
  [b.int32(1), b.int64(1n), b.double(1)],
  [b.double(1.5)],
  [b.int64(2n ** 53n), b.double(2 ** 53)],
  [b.int64(2n ** 53n + 1n)],
  [b.string('')],
  [b.string('a')],
  [b.string('a\0')],
  [b.string('b')],
  [b.embedded()],
  [b.embedded(['a', b.int32(1)]), b.embedded(['a', b.int64(1n)])],
  [b.embedded(['a', b.int32(1)], ['b', b.int32(2)])],
  [b.embedded(['b', b.int32(0)])],
  [b.embedded(['a', b.string('')])],
  [b.objectId('6b012bb81d9cffe770fcbfd0')],
  [b.objectId('6b012bb81d9cffe770fcbfd1')],
  [b.boolean(false)],
  [b.boolean(true)],
  [b.date(-1n)],
  [b.date(1_795_238_840_886n)],
  [b.maxKey],
];

/** A key's place in the index; stands for the key everywhere in the model. */
export type KeyIndex = number;

export const KEY_COUNT = KEYS.length;

/** One way to write a key, with what is made of it. */
export interface KeyForm {
  readonly value: BsonValue;
  /** `{_id: value}`. */
  readonly documentKey: Buffer;
  /** `{_id: value, n: 0}`. */
  readonly template: Buffer;
}

const FORMS: readonly (readonly KeyForm[])[] = KEYS.map((forms) =>
  forms.map((value) => ({
    value: { type: value.type, bytes: value.payload },
    documentKey: b.document(['_id', value]),
    template: b.document(['_id', value], ['n', b.int32(0)]),
  })),
);

const INDEX_OF = new Map(FORMS.flatMap((forms, index) => forms.map(({ value }) => [encodeValue(value), index])));

/** How many ways there are to write a key. */
export function formsOf(key: KeyIndex): readonly KeyForm[] {
  const forms = FORMS[key];
  if (forms === undefined) throw new Error(`there is no key ${key}`);
  return forms;
}

/** The key that a value is. */
export function keyIndexOf(value: BsonValue): KeyIndex {
  const index = INDEX_OF.get(encodeValue(value));
  if (index === undefined) throw new Error(`${encodeValue(value)} is no key of the model`);
  return index;
}

/** A document with this key whose content nobody else has. */
export function documentWith(form: KeyForm, n: number): Buffer {
  const document = Buffer.from(form.template);
  document.writeInt32LE(n, document.length - 5);
  return document;
}
