import type { Envelope } from '../../core/envelope.ts';
import { SluiceError } from '../../core/failure.ts';
import type { EncodedRecord, Format } from '../../core/format.ts';
import type { Rejection } from '../../core/sink.ts';
import type { TopicTemplate } from './topic-template.ts';

/** An event as bytes, and where it goes. */
export interface ShapedRecord {
  readonly envelope: Envelope;
  readonly record: EncodedRecord;
  readonly topic: string;
}

/** A batch after the format: `records`, `filtered` and `rejections` add up to it. */
export interface ShapedBatch {
  readonly records: readonly ShapedRecord[];
  readonly filtered: number;
  readonly rejections: readonly Rejection[];
  readonly topics: ReadonlySet<string>;
}

/** Runs the format over the events, in order. Only `rejected` errors are kept; others are thrown. */
export function shapeBatch(batch: readonly Envelope[], format: Format, template: TopicTemplate): ShapedBatch {
  const records: ShapedRecord[] = [];
  const rejections: Rejection[] = [];
  const topics = new Set<string>();
  let filtered = 0;
  let lastTopic: string | undefined;
  for (const envelope of batch) {
    try {
      const record = format.encode(envelope);
      if (record === undefined) {
        filtered += 1;
        continue;
      }
      const topic = template.topicOf(envelope.namespace, envelope.event.op);
      if (topic !== lastTopic) topics.add(topic);
      lastTopic = topic;
      records.push({ envelope, record, topic });
    } catch (error) {
      if (!(error instanceof SluiceError) || error.kind !== 'rejected') throw error;
      rejections.push({ envelope, error });
    }
  }
  return { records, filtered, rejections, topics };
}
