import { type FieldPath, segmentName, segmentsOf } from '../../core/field-path.ts';
import type { ColumnType } from './columns/layout.ts';

/** Whole days only: the server refuses dates that no calendar has, and one such text would end the statement. */
const ISO_TIME = '^(?!0000)\\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\\d|3[01])T([01]\\d|2[0-3]):[0-5]\\d:[0-5]\\d\\.\\d{3}Z$';
const UUID = '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$';
const BASE64 = '^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$';

/**
 * The value of a field as an expression over `document`, for a column of the type. It is NULL where the value does not
 * fit, and never fails, whatever the document has. JSON does not tell binary data, UUIDs and dates from texts that look
 * the same: `onlyBinary` says that the field has nothing else than binary data, without which a `bytea` stays NULL. Years
 * before 1 and after 9999 are NULL as well.
 */
export function documentValue(path: FieldPath, type: ColumnType, onlyBinary = false): string {
  const names = `array[${segmentsOf(path)
    .map((segment) => quoteText(segmentName(segment)))
    .join(', ')}]`;
  const value = `document #> ${names}`;
  const text = `document #>> ${names}`;
  const number = `(${text})::numeric`;
  switch (type) {
    case 'text':
      return text;
    case 'jsonb':
      return `nullif(${value}, 'null'::jsonb)`;
    case 'boolean':
      return `case jsonb_typeof(${value}) when 'boolean' then (${text})::boolean end`;
    case 'numeric':
      return `case jsonb_typeof(${value}) when 'number' then ${number} when 'string' then
        case when ${text} = 'NaN' then ${number}
        when ${text} in ('Infinity', '-Infinity') and current_setting('server_version_num')::int >= 140000 then ${number} end end`;
    case 'double precision':
      // A number that does not come back the same was no double.
      return `case jsonb_typeof(${value}) when 'number' then
        case when ${number} = 0 or abs(${number}) between 5e-324 and 1.7976931348623157e308 then
        case when ${number}::float8::text::numeric = ${number} then ${number}::float8 end end
        when 'string' then case when ${text} in ('NaN', 'Infinity', '-Infinity') then (${text})::float8 end end`;
    case 'bigint':
      return `case jsonb_typeof(${value}) when 'number' then
        case when ${number} = trunc(${number}) and ${number} between -9223372036854775808 and 9223372036854775807
        then ${number}::bigint end end`;
    case 'timestamptz':
      return `case when jsonb_typeof(${value}) = 'string' and ${text} ~ ${quoteText(ISO_TIME)} then
        case when extract(day from (left(${text}, 7) || '-01')::date + (substr(${text}, 9, 2)::int - 1)) = substr(${text}, 9, 2)::int
        then (${text})::timestamptz end end`;
    case 'uuid':
      return `case when jsonb_typeof(${value}) = 'string' and ${text} ~ '${UUID}' then (${text})::uuid end`;
    case 'bytea':
      return onlyBinary ? bytesOf(text) : 'null::bytea';
    default:
      return type satisfies never;
  }
}

function bytesOf(text: string): string {
  return `case when ${text} ~ '${UUID}' then decode(replace(${text}, '-', ''), 'hex')
    when ${text} ~ '${BASE64}' then decode(${text}, 'base64') end`;
}

/** The value as a text in a statement. */
export function quoteText(text: string): string {
  return `E'${text.replaceAll('\\', '\\\\').replaceAll("'", "''")}'`;
}
