import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SluiceError } from '../../core/failure.ts';
import type { Format } from '../../core/format.ts';
import { testEvent } from '../../testing/events.ts';
import { textFormat } from '../../testing/sink-writes.ts';
import { BufferPool } from './buffer-pool.ts';
import { codecFor } from './compression.ts';
import { type PrepareParts, prepareWrite } from './prepare-write.ts';
import { HeaderWriter } from './record-headers.ts';
import { TopicTemplate } from './topic-template.ts';
import type { TopicRegistry } from './topics.ts';

function partsFor(format: Format = textFormat): PrepareParts & { readonly ensured: Set<string> } {
  const ensured = new Set<string>();
  const topics = {
    ensure: async (names: Iterable<string>) => {
      for (const name of names) ensured.add(name);
    },
    known: (name: string) => {
      assert.ok(ensured.has(name), `${name} was not ensured`);
      return { name, partitions: 1, maxMessageBytes: 100_000_000, limitKnown: true };
    },
  };
  const headers = new HeaderWriter({ enabled: true, prefix: 'sluice.', format });
  const pack = { headers, codec: codecFor('zstd'), pool: new BufferPool(0) };
  return { topics: topics as unknown as TopicRegistry, template: new TopicTemplate('{coll}'), format, pack, ensured };
}

const envelopes = (count: number, bytes = 0) =>
  Array.from({ length: count }, (_, sequence) => {
    const event = testEvent({ sequence, document: { text: 'x'.repeat(bytes) } });
    return { event, namespace: event.namespace };
  });

const { signal } = new AbortController();

test('everything is accounted for, in order, whatever the slices', async () => {
  const format: Format = {
    ...textFormat,
    encode(envelope) {
      const sequence = Number.parseInt(envelope.event.position.token, 16);
      if (sequence % 10 === 3) return undefined;
      if (sequence % 10 === 7) throw new SluiceError('poison', { kind: 'rejected', code: 'test.poison' });
      return textFormat.encode(envelope);
    },
  };
  const all = envelopes(1999);
  const { batches, rejections, filtered } = await prepareWrite(all, partsFor(format), signal);
  const isSent = (_: unknown, sequence: number) => sequence % 10 !== 3 && sequence % 10 !== 7;
  assert.deepEqual(
    batches.flatMap((batch) => batch.envelopes),
    all.filter(isSent),
  );
  assert.equal(filtered, 200);
  assert.equal(rejections.length, 200);
});

test('the event loop gets its turns in between, by number and by size', async () => {
  for (const all of [envelopes(2000), envelopes(40, 50_000)]) {
    let turns = 0;
    let counting = true;
    const count = () => {
      turns += 1;
      if (counting) setImmediate(count);
    };
    setImmediate(count);
    await prepareWrite(all, partsFor(), signal);
    counting = false;
    assert.ok(turns >= 8, `${turns} turns`);
  }
});

test('topics are looked up before their first record, and only those that are used', async () => {
  const parts = partsFor({
    ...textFormat,
    encode: (envelope) => (envelope.event.op === 'drop' ? undefined : textFormat.encode(envelope)),
  });
  const events = ['a', 'b', 'a'].map((coll, sequence) => testEvent({ sequence, namespace: { db: 'db', coll } }));
  const dropped = testEvent({ sequence: 4, op: 'drop', namespace: { db: 'db', coll: 'unused' } });
  await prepareWrite(
    [...events, dropped].map((event) => ({ event, namespace: event.namespace })),
    parts,
    signal,
  );
  assert.deepEqual([...parts.ensured], ['a', 'b']);
});

test('an abort ends it between two slices', async () => {
  const controller = new AbortController();
  const preparing = prepareWrite(envelopes(5000), partsFor(), controller.signal);
  controller.abort(new Error('stop'));
  await assert.rejects(preparing, { name: 'AbortError' });
});

test('errors of the format that are not about the record come out', async () => {
  const format: Format = { ...textFormat, encode: () => assert.fail('a bug') };
  await assert.rejects(prepareWrite(envelopes(1), partsFor(format), signal), /a bug/);
});
