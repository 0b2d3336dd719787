import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Envelope } from '../../core/envelope.ts';
import type { Format } from '../../core/format.ts';
import type { Rejection } from '../../core/sink.ts';
import { BatchPacker, type PackOptions } from './batch-packer.ts';
import type { PackedBatch } from './open-batch.ts';
import { shapeBatch } from './shape-batch.ts';
import type { TopicTemplate } from './topic-template.ts';
import type { TopicRegistry } from './topics.ts';

/** What a write is prepared with. */
export interface PrepareParts {
  readonly topics: TopicRegistry;
  readonly template: TopicTemplate;
  readonly format: Format;
  readonly pack: Omit<PackOptions, 'topicOf'>;
}

/** A write that only needs to be sent. `envelopes` = those in `batches` + rejected + filtered. */
export interface PreparedWrite {
  readonly batches: readonly PackedBatch[];
  readonly rejections: readonly Rejection[];
  readonly filtered: number;
}

/**
 * Events are shaped and packed in slices of about 2 ms, with a turn of the event loop in between: the requests of the
 * write before this one, several after the other in a transaction, would otherwise wait for all of it each time.
 */
const SLICE_RECORDS = 200;
const SLICE_BYTES = 128 * 1024;

/** Shapes, packs and compresses the events; topics that are new are looked up or created on the way. */
export async function prepareWrite(
  envelopes: readonly Envelope[],
  parts: PrepareParts,
  signal: AbortSignal,
): Promise<PreparedWrite> {
  const { topics, template, format } = parts;
  const packer = new BatchPacker({ ...parts.pack, topicOf: (name) => topics.known(name) });
  const rejections: Rejection[] = [];
  let filtered = 0;
  for (const slice of slicesOf(envelopes)) {
    const shaped = shapeBatch(slice, format, template);
    await topics.ensure(shaped.topics, signal);
    packer.add(shaped.records);
    rejections.push(...shaped.rejections);
    filtered += shaped.filtered;
    if (slice.at(-1) !== envelopes.at(-1)) await nextTurn(undefined, { signal });
  }
  const packed = await packer.finish();
  return { batches: packed.batches, rejections: [...rejections, ...packed.rejections], filtered };
}

function* slicesOf(envelopes: readonly Envelope[]): Generator<readonly Envelope[]> {
  let start = 0;
  let bytes = 0;
  for (let index = 0; index < envelopes.length; index++) {
    if (index - start >= SLICE_RECORDS || bytes >= SLICE_BYTES) {
      yield envelopes.slice(start, index);
      start = index;
      bytes = 0;
    }
    bytes += envelopes[index]?.event.size ?? 0;
  }
  if (start < envelopes.length) yield envelopes.slice(start);
}
