import { asBuffer } from '../bson/elements.ts';
import { JsonBuffer } from '../bson/json-buffer.ts';
import { DocumentWriter } from '../bson/json-document.ts';
import type { Envelope } from '../core/envelope.ts';
import type { EncodedRecord, Format } from '../core/format.ts';
import { AttributeMaker } from './cloudevents-attributes.ts';
import type { Encoding, FormatConfig } from './format-config.ts';
import { RecordKeys } from './record-keys.ts';
import { contentTypeOf, documentEncoder, jsonSizeHint } from './value-encoder.ts';

/**
 * `cloudevents`: CloudEvents 1.0 around MongoDB's own event. `structured` is one JSON envelope with the event in
 * `data` (BSON as base64 in `data_base64`); `binary` has the event as the value and the attributes as headers, named
 * without the prefix that the transport's binding asks for. `id` is a hash of the event id, equal over replays;
 * `partitionkey` is the text of the record's key.
 */
export function createCloudEventsFormat(config: FormatConfig): Format {
  return config.cloudeventsMode === 'binary' ? binaryFormat(config) : structuredFormat(config);
}

function binaryFormat(config: FormatConfig): Format {
  const keys = new RecordKeys(config.json);
  const attributes = new AttributeMaker(config.identity.cluster);
  const encodeDocument = documentEncoder(config.json);
  return {
    name: 'cloudevents',
    contentType: contentTypeOf(config.json),
    encode({ event }: Envelope): EncodedRecord {
      const key = keys.of(event);
      const headers = attributes.make(event, key.toString());
      return { key, value: encodeDocument(event.raw), headers, tombstoneFollows: false };
    },
  };
}

function structuredFormat(config: FormatConfig): Format {
  const keys = new RecordKeys(config.json);
  const attributes = new AttributeMaker(config.identity.cluster);
  const output = new JsonBuffer();
  const writeData = dataWriter(config.json, output);
  const datacontenttype = contentTypeOf(config.json);
  return {
    name: 'cloudevents',
    contentType: 'application/cloudevents+json; charset=UTF-8',
    encode({ event }: Envelope): EncodedRecord {
      const key = keys.of(event);
      const head = Buffer.from(JSON.stringify({ ...attributes.make(event, key.toString()), datacontenttype }));
      output.begin(jsonSizeHint(event.raw) + head.length);
      output.raw(head.subarray(0, -1));
      writeData(asBuffer(event.raw));
      output.ascii('}');
      return { key, value: output.end(), headers: undefined, tombstoneFollows: false };
    },
  };
}

function dataWriter(encoding: Encoding, output: JsonBuffer): (event: Buffer) => void {
  if (encoding === 'bson') {
    return (event) => {
      output.ascii(`,"data_base64":"${event.toString('base64')}"`);
    };
  }
  const writer = new DocumentWriter(output, { style: encoding });
  return (event) => {
    output.ascii(',"data":');
    writer.document(event);
  };
}
