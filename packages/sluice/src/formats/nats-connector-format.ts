import { asBuffer } from '../bson/elements.ts';
import { GoJsonBuffer } from '../bson/foreign-text.ts';
import { DocumentWriter } from '../bson/json-document.ts';
import { isDataOperation } from '../core/change-event.ts';
import type { Envelope } from '../core/envelope.ts';
import type { EncodedRecord, Format } from '../core/format.ts';
import type { FormatConfig } from './format-config.ts';
import { RecordKeys } from './record-keys.ts';
import { jsonSizeHint } from './value-encoder.ts';

/**
 * `nats-connector`: the event as mongodb-nats-connector writes it, relaxed Extended JSON of MongoDB's Go driver. Only
 * changes of documents have a form: it publishes no drop, rename and the like.
 */
export function createNatsConnectorFormat(config: FormatConfig): Format {
  const keys = new RecordKeys(config.json);
  const output = new GoJsonBuffer();
  const writer = new DocumentWriter(output, { style: 'relaxed', dialect: 'go' });
  return {
    name: 'nats-connector',
    contentType: 'application/json',
    encode({ event }: Envelope): EncodedRecord | undefined {
      if (!isDataOperation(event.op)) return undefined;
      const source = asBuffer(event.raw);
      output.begin(jsonSizeHint(source));
      writer.document(source);
      return { key: keys.of(event), value: output.end(), headers: undefined, tombstoneFollows: false };
    },
  };
}
