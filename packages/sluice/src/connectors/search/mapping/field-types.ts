import type { FieldMapping } from './properties.ts';

/** As the products' own dynamic mapping has it: longer texts are found by their words only. */
const LONGEST_EXACT_TEXT = 256;
/** A term of the index has 32,766 bytes at most, and a document with a longer one is refused; so many characters fit. */
const LONGEST_KEYWORD = 8191;
/** ISO texts with years of more digits (`+010000-01-01T…`, `-000001-…`) and milliseconds: OpenSearch 2.19 and Elasticsearch 7.10 take both. */
const DATE_FORMAT = 'strict_date_optional_time||epoch_millis';

const KEYWORD: FieldMapping = { type: 'keyword', ignore_above: LONGEST_KEYWORD };
const EXACT: FieldMapping = { type: 'keyword', ignore_above: LONGEST_EXACT_TEXT };
const TEXT: FieldMapping = { type: 'text', fields: { keyword: EXACT } };

/** Types that have no value to be mapped. */
export const VALUELESS: ReadonlySet<string> = new Set(['null', 'undefined', 'array', 'object']);

const NUMBERS: ReadonlySet<string> = new Set(['int', 'long', 'double', 'decimal']);

/**
 * The field for values of these BSON types, as `PlainDocumentWriter` writes them; undefined when none of them has a value.
 *
 * | BSON type | field |
 * | --- | --- |
 * | string | `text`, with `keyword` for the exact text of up to 256 characters |
 * | objectId, regex, javascript, symbol, minKey, maxKey | `keyword` |
 * | binData | `keyword` of up to 256 characters: UUIDs and hashes can be found, larger ones are only kept |
 * | date | `date` |
 * | bool | `boolean` |
 * | int, long | `long`: a field with small numbers may get larger ones |
 * | double | `double` |
 * | decimal | `double`, with `keyword` for the exact number |
 * | timestamp | object of `t` and `i`, both `long` |
 * | dbPointer | object of `$ref` and `$id`, both `keyword` |
 * | object | object of its fields |
 * | array | as its elements, all of them together |
 * | null, undefined | none |
 *
 * Where there are several: numbers become `double` (with `keyword` where decimals are among them), a string among them makes
 * it text, anything else `keyword`. Both take every value that is no object.
 *
 * `double` takes neither NaN nor infinities, nor decimals beyond 1.8e308: such documents are refused, or with
 * `ignore_malformed` taken without that value being found by its number.
 */
export function fieldOfTypes(types: ReadonlySet<string>): FieldMapping | undefined {
  const valued = [...types].filter((type) => !VALUELESS.has(type));
  if (valued.length === 0) return undefined;
  if (valued.includes('string')) return TEXT;
  if (valued.every((type) => NUMBERS.has(type))) return numberField(valued);
  if (valued.length > 1) return KEYWORD;
  switch (valued[0]) {
    case 'date':
      return { type: 'date', format: DATE_FORMAT };
    case 'bool':
      return { type: 'boolean' };
    case 'binData':
      return EXACT;
    default:
      return KEYWORD;
  }
}

function numberField(types: readonly string[]): FieldMapping {
  if (types.includes('decimal')) return { type: 'double', fields: { keyword: EXACT } };
  return { type: types.includes('double') ? 'double' : 'long' };
}
