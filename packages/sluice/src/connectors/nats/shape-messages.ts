import { setImmediate as nextTurn } from 'node:timers/promises';
import { formatNamespace } from '../../core/change-event.ts';
import type { Envelope } from '../../core/envelope.ts';
import { SluiceError } from '../../core/failure.ts';
import type { EncodedRecord, Format } from '../../core/format.ts';
import type { Rejection } from '../../core/sink.ts';
import { type HeaderWriter, headerBlock } from './message-headers.ts';
import type { OutgoingMessage } from './publisher.ts';
import type { StreamFacts } from './stream-setup.ts';
import type { SubjectTemplate } from './subject-template.ts';

/** What messages are shaped with. */
export interface ShapeParts {
  readonly format: Format;
  readonly template: SubjectTemplate;
  readonly headers: HeaderWriter;
  readonly stream: StreamFacts;
}

/** A write that only needs to be published. `envelopes` = `messages` + rejected + filtered. */
export interface ShapedWrite {
  readonly messages: readonly OutgoingMessage[];
  readonly rejections: readonly Rejection[];
  readonly filtered: number;
}

/** Events are shaped in slices, so that the acknowledgements of the write before this one need not wait for all. */
const SLICE_RECORDS = 250;
const NOTHING = Buffer.alloc(0);
/** Longest UTF-8 form of a UTF-16 code unit. */
const UTF8_BYTES = 3;
/** Room for the header lines that publishers add: the fence, the batch and the expected id. */
const CONDITION_BYTES = 1024;

/** Runs the format over the events, in order. Only `rejected` errors are kept; others are thrown. */
export async function shapeMessages(
  envelopes: readonly Envelope[],
  parts: ShapeParts,
  signal: AbortSignal,
): Promise<ShapedWrite> {
  const messages: OutgoingMessage[] = [];
  const rejections: Rejection[] = [];
  let filtered = 0;
  for (const [index, envelope] of envelopes.entries()) {
    if (index > 0 && index % SLICE_RECORDS === 0) await nextTurn(undefined, { signal });
    try {
      const record = parts.format.encode(envelope);
      if (record === undefined) filtered += 1;
      else messages.push(messageOf(envelope, record, parts));
    } catch (error) {
      if (!(error instanceof SluiceError) || error.kind !== 'rejected') throw error;
      rejections.push({ envelope, error });
    }
  }
  return { messages, rejections, filtered };
}

/** A tombstone is an empty message. Nothing is compacted in a stream, so none is added behind a delete. */
function messageOf(envelope: Envelope, record: EncodedRecord, parts: ShapeParts): OutgoingMessage {
  const { event, namespace } = envelope;
  const subject = parts.template.subjectOf(event, namespace);
  const lines = parts.headers.lines(envelope, record.headers, record.value !== null);
  const payload = record.value ?? NOTHING;
  const limit = parts.stream.maxMessageBytes;
  if (payload.length + lines.length * UTF8_BYTES + CONDITION_BYTES > limit) {
    const bytes = payload.length + headerBlock(lines).length + CONDITION_BYTES;
    if (bytes > limit) throw tooLarge(envelope, bytes, limit);
  }
  const filter = parts.template.filterOf(namespace);
  return { subject, filter, payload, lines, messageId: parts.headers.messageId(event.id) };
}

function tooLarge({ event }: Envelope, bytes: number, limit: number): SluiceError {
  return new SluiceError(
    `the ${event.op} in ${formatNamespace(event.namespace)} makes a message of ${bytes} bytes with its headers; ` +
      `${limit} are accepted`,
    {
      kind: 'rejected',
      code: 'nats.message-too-large',
      hint: 'Raise `max_payload` of the servers or `max_msg_size` of the stream, then replay the dead letter.',
    },
  );
}
