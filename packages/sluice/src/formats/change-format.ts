import type { Envelope } from '../core/envelope.ts';
import type { EncodedRecord, Format } from '../core/format.ts';
import type { FormatConfig } from './format-config.ts';
import { RecordKeys } from './record-keys.ts';
import { contentTypeOf, documentEncoder } from './value-encoder.ts';

/** `change`: the event as MongoDB sent it, every field in its order; DDL events included, keyed by their namespace. */
export function createChangeFormat(config: FormatConfig): Format {
  const keys = new RecordKeys(config.json);
  const encodeDocument = documentEncoder(config.json);
  return {
    name: 'change',
    contentType: contentTypeOf(config.json),
    encode({ event }: Envelope): EncodedRecord {
      return { key: keys.of(event), value: encodeDocument(event.raw), headers: undefined, tombstoneFollows: false };
    },
  };
}
