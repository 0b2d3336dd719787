import { asBuffer, BsonType, cstringEnd, documentEnd, fieldsOf, valueEnd } from '../../../bson/elements.ts';
import { documentField, rawDocument } from './raw-build.ts';
import { ChangeStatement } from './statements.ts';

const DOLLAR = 0x24;
const EIGHT = 8;
const ZERO = Buffer.alloc(EIGHT);

/** What of the fields at the top of a document decides how it can be written. */
export interface TopFields {
  /** A name begins with `$`, which a replacement must not have. */
  readonly hasDollarName: boolean;
  /** A server puts its own time in the place of such a timestamp when the document is inserted or replaced. */
  readonly hasEmptyTimestamp: boolean;
}

/** Looks at the names and types at the top of a document; nothing is copied. */
export function topFieldsOf(document: Uint8Array): TopFields {
  const limit = documentEnd(document, 0, document.length) - 1;
  let hasDollarName = false;
  let hasEmptyTimestamp = false;
  let at = 4;
  while (at < limit) {
    if (document[at + 1] === DOLLAR) hasDollarName = true;
    const type = document[at] ?? BsonType.null;
    const value = cstringEnd(document, at + 1, limit) + 1;
    if (type === BsonType.timestamp && isZero(document, value)) hasEmptyTimestamp = true;
    at = valueEnd(document, type, value, limit);
  }
  return { hasDollarName, hasEmptyTimestamp };
}

/**
 * The statement that makes timestamps empty again after the document was inserted or replaced; none when there is none
 * whose name can be said as a path and stands only once.
 */
export function emptyTimestampsAgain(query: Uint8Array, document: Uint8Array): readonly ChangeStatement[] {
  const fields = [...fieldsOf(document)];
  const empty = fields.filter(
    ({ name, type, bytes }) =>
      type === BsonType.timestamp &&
      isZero(bytes, 0) &&
      isPath(name) &&
      fields.filter((f) => f.name === name).length === 1,
  );
  if (empty.length === 0) return [];
  return [new ChangeStatement(query, rawDocument([documentField('$set', empty)]))];
}

/** The `_id` is stored as it is, whatever it is. */
function isPath(name: string): boolean {
  return name !== '_id' && name !== '' && !name.startsWith('$') && !/[.\uFFFD]/.test(name);
}

function isZero(bytes: Uint8Array, at: number): boolean {
  return asBuffer(bytes.subarray(at, at + EIGHT)).equals(ZERO);
}
