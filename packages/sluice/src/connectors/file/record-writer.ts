import type { EncodedRecord, Format } from '../../core/format.ts';
import { bsonEnvelope } from './bson-envelope.ts';

/** How records follow each other in a file: `lines` of JSON, or BSON `documents`, each of which tells its length. */
export type Framing = 'lines' | 'documents';

const NEWLINE = Buffer.from('\n');
const NULL = Buffer.from('null');
const KEY = Buffer.from('{"key":');
const HEADERS = Buffer.from(',"headers":');
const VALUE = Buffer.from(',"value":');
const CLOSE = Buffer.from('}\n');

/** The framing for what the format writes. */
export function framingOf(format: Pick<Format, 'contentType'>): Framing {
  return format.contentType.startsWith('application/bson') ? 'documents' : 'lines';
}

/** How a record is laid out. */
export interface RecordLayout {
  readonly framing: Framing;
  /** Also what would lose nothing without it gets an envelope with key, headers and value. */
  readonly envelope: boolean;
}

/**
 * Appends the bytes of a record to `target`. A record is its value alone; a tombstone, a record with headers, and with
 * `envelope` every record is `{key, headers, value}`, so that nothing is lost and each line explains itself. The
 * record's key and, in lines, its value must be JSON without line breaks.
 */
export function appendRecord(target: Buffer[], record: EncodedRecord, layout: RecordLayout): void {
  const { key, value, headers, tombstoneFollows } = record;
  if (value !== null && headers === undefined && !layout.envelope) {
    if (layout.framing === 'lines') target.push(value, NEWLINE);
    else target.push(value);
  } else if (layout.framing === 'lines') appendEnvelopeLine(target, record);
  else target.push(bsonEnvelope(record));
  if (tombstoneFollows) appendRecord(target, { key, value: null, headers: undefined, tombstoneFollows: false }, layout);
}

function appendEnvelopeLine(target: Buffer[], { key, value, headers }: EncodedRecord): void {
  target.push(KEY, key ?? NULL);
  if (headers !== undefined) target.push(HEADERS, Buffer.from(JSON.stringify(headers)));
  target.push(VALUE, value ?? NULL, CLOSE);
}
