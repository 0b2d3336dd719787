import type { ShapedEvent } from './shape-events.ts';

/** Bytes around the events of a batch and between two of them. */
const FRAME_BYTES = '{"events":[]}'.length;
const COMMA_BYTES = 1;

/**
 * Cuts events into requests, in order. The events of one request go to one place, and no two are of one document: so the answer
 * can say of each event by itself that it must come again, and no later change of its document has overtaken it.
 */
export function cutIntoBatches(
  events: readonly ShapedEvent[],
  limits: { readonly records: number; readonly bytes: number },
): readonly (readonly ShapedEvent[])[] {
  const batches: ShapedEvent[][] = [];
  let batch: ShapedEvent[] = [];
  let bytes = 0;
  const documents = new Set<string>();
  for (const event of events) {
    const size = event.body.length + COMMA_BYTES;
    const { document } = event;
    const fits =
      batch.length < limits.records &&
      bytes + size <= limits.bytes &&
      batch[0]?.path === event.path &&
      (document === undefined || !documents.has(document));
    if (!fits) {
      batch = [];
      batches.push(batch);
      bytes = FRAME_BYTES;
      documents.clear();
    }
    batch.push(event);
    bytes += size;
    if (document !== undefined) documents.add(document);
  }
  return batches;
}

/** The body of a request with these events: `{"events":[…]}`. */
export function batchBody(events: readonly ShapedEvent[]): Buffer {
  const pieces: Buffer[] = [];
  for (const { body } of events) pieces.push(Buffer.from(pieces.length === 0 ? '{"events":[' : ','), body);
  return Buffer.concat([...pieces, Buffer.from(']}')]);
}
