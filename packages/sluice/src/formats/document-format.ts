import { BsonType } from '../bson/elements.ts';
import type { ChangeEvent } from '../core/change-event.ts';
import { isDataOperation } from '../core/change-event.ts';
import type { Envelope } from '../core/envelope.ts';
import { SluiceError } from '../core/failure.ts';
import type { EncodedRecord, Format } from '../core/format.ts';
import type { FormatConfig } from './format-config.ts';
import { RecordKeys } from './record-keys.ts';
import { contentTypeOf, documentEncoder } from './value-encoder.ts';

/**
 * `document`: the document after the change; a delete is a null value. DDL events have no form here. A change whose
 * document the event does not carry is rejected, never dropped.
 */
export function createDocumentFormat(config: FormatConfig): Format {
  const keys = new RecordKeys(config.json);
  const encodeDocument = documentEncoder(config.json);
  const skipGone = config.document?.whenGone === 'skip';
  return {
    name: 'document',
    contentType: contentTypeOf(config.json),
    encode({ event }: Envelope): EncodedRecord | undefined {
      if (!isDataOperation(event.op)) return undefined;
      if (event.op === 'delete') return record(keys.of(event), null);
      const after = event.after();
      if (after !== undefined) return record(keys.of(event), encodeDocument(after));
      if (skipGone && event.degraded === undefined && isGone(event)) return undefined;
      throw noDocument(event);
    },
  };
}

function record(key: Buffer, value: Buffer | null): EncodedRecord {
  return { key, value, headers: undefined, tombstoneFollows: false };
}

/** True when the server looked the document up and found none. */
function isGone(event: ChangeEvent): boolean {
  return event.op === 'update' && event.field('fullDocument')?.type === BsonType.null;
}

function noDocument(event: ChangeEvent): SluiceError {
  if (event.degraded === 'images-dropped') {
    return new SluiceError('the event was too large for the server to send with its document', {
      kind: 'rejected',
      code: 'format.document-dropped',
      hint: 'Read the document from the source by its key, or use the format "change", which needs no document.',
    });
  }
  return new SluiceError(`the ${event.op} event carries no document`, {
    kind: 'rejected',
    code: 'format.no-document',
    hint:
      'Switch on changeStreamPreAndPostImages for the collection (the document as it was), or set fullDocument: ' +
      'updateLookup on the source (the document as it is when the event is read), or use the format "change".',
  });
}
