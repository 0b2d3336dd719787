import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ChangeEvent } from '../../core/change-event.ts';
import type { Checkpoint } from '../../core/checkpoint.ts';
import type { Envelope } from '../../core/envelope.ts';
import { SluiceError } from '../../core/failure.ts';
import type { EncodedRecord, Format } from '../../core/format.ts';
import type { Rejection, Sink, WriteContext } from '../../core/sink.ts';
import { testEvent } from '../events.ts';

/** A record as it is found in the target: key and value as text (null for a tombstone). */
export interface FoundRecord {
  readonly key: string | null;
  readonly value: string | null;
}

/** A sink over the same place every time it is opened within one test. */
export interface SinkFixture {
  /** Opens the sink with the format, as a new process would. */
  open(format: Format): Promise<Sink>;
  /** Everything that readers of the target can see now; per key in the order in which it was written. */
  found(): Promise<readonly FoundRecord[]>;
  cleanup?(): Promise<void>;
}

const signal = new AbortController().signal;

/** Key `{"_id":…}`, value `{"n":…}`; filters DDL, rejects documents with `poison: true`, tombstones for deletes. */
export const contractFormat: Format = {
  name: 'contract',
  contentType: 'application/json',
  encode({ event }: Envelope): EncodedRecord | undefined {
    if (event.op === 'drop') return undefined;
    if (Buffer.from(event.raw).includes('poison')) {
      throw new SluiceError('it is poison', { kind: 'rejected', code: 'test.poison' });
    }
    const key = Buffer.from(JSON.stringify({ _id: keyNumber(event) }));
    const value = event.op === 'delete' ? null : Buffer.from(JSON.stringify({ n: event.position.token }));
    return { key, value, headers: undefined, tombstoneFollows: false };
  },
};

/** The document key of a made-up event is an int32 at the end of its key document. */
function keyNumber(event: ChangeEvent): number {
  const key = event.key();
  return key === undefined ? -1 : Buffer.from(key).readInt32LE(key.byteLength - 5);
}

function envelope(event: ChangeEvent): Envelope {
  return { event, namespace: event.namespace };
}

function contextFor(last: ChangeEvent, epoch: number, rejections: Rejection[]): WriteContext {
  const checkpoint: Checkpoint = {
    partition: 'contract/0',
    epoch,
    position: last.position,
    deployment: 'rs0',
    fingerprint: 'f1',
    savedAtMs: Date.now(),
  };
  const reject = async (more: readonly Rejection[]) => void rejections.push(...more);
  return { checkpoint, signal, reject };
}

/** Writes the events in groups of `size`, as many at a time as the sink allows. */
async function writeAll(sink: Sink, events: readonly ChangeEvent[], size: number) {
  const rejections: Rejection[] = [];
  const claim = await sink.checkpoints?.claim('contract/0', signal);
  const total = { delivered: 0, filtered: 0 };
  const writes: Promise<void>[] = [];
  for (let start = 0; start < events.length; start += size) {
    const group = events.slice(start, start + size);
    const context = contextFor(group.at(-1) as ChangeEvent, claim?.epoch ?? 1, rejections);
    const write = sink.write(group.map(envelope), context).then((result) => {
      total.delivered += result.delivered;
      total.filtered += result.filtered;
    });
    writes.push(write);
    if (writes.length >= sink.limits.batchesInFlight) await writes.shift();
  }
  await Promise.all(writes);
  return { ...total, rejections };
}

/** Values per key in the order in which they are found. */
function perKey(found: readonly FoundRecord[]): Map<string, (string | null)[]> {
  const histories = new Map<string, (string | null)[]>();
  for (const { key, value } of found) {
    const history = histories.get(String(key));
    if (history === undefined) histories.set(String(key), [value]);
    else history.push(value);
  }
  return histories;
}

/** What every sink promises. `fixture` is asked for once per case. */
export function sinkContract(name: string, fixture: () => Promise<SinkFixture>): void {
  const contract = (title: string, body: (f: SinkFixture) => Promise<void>) =>
    test(`${name} sink: ${title}`, { timeout: 300_000 }, async () => {
      const prepared = await fixture();
      try {
        await body(prepared);
      } finally {
        await prepared.cleanup?.();
      }
    });

  contract('what write resolved for can be read, in order per key, once', async ({ open, found }) => {
    const events = Array.from({ length: 2_000 }, (_, sequence) => testEvent({ sequence, id: sequence % 17 }));
    await using sink = await open(contractFormat);
    const result = await writeAll(sink, events, 150);
    assert.deepEqual({ ...result, rejections: 0 }, { delivered: 2_000, filtered: 0, rejections: 0 });
    const histories = perKey(await found());
    assert.equal(histories.size, 17);
    for (const [key, history] of histories) {
      const expected = events.filter((event) => `{"_id":${keyNumber(event)}}` === key);
      assert.deepEqual(
        history,
        expected.map((event) => JSON.stringify({ n: event.position.token })),
        `key ${key}`,
      );
    }
  });

  contract('deletes are tombstones, events without a form are filtered', async ({ open, found }) => {
    const events = [
      testEvent({ sequence: 1, id: 1 }),
      testEvent({ sequence: 2, op: 'drop', id: 1 }),
      testEvent({ sequence: 3, op: 'delete', id: 1 }),
    ];
    await using sink = await open(contractFormat);
    const result = await writeAll(sink, events, 10);
    assert.deepEqual([result.delivered, result.filtered, result.rejections.length], [2, 1, 0]);
    assert.deepEqual(
      (await found()).map(({ value }) => value === null),
      [false, true],
    );
  });

  contract('a poison event is handed over and its neighbours are delivered', async ({ open, found }) => {
    const events = Array.from({ length: 20 }, (_, sequence) =>
      testEvent({ sequence, id: 5, document: sequence === 9 ? { poison: true } : {} }),
    );
    await using sink = await open(contractFormat);
    const result = await writeAll(sink, events, 20);
    assert.equal(result.delivered, 19);
    assert.deepEqual(
      result.rejections.map(({ envelope, error }) => [envelope.event.id, error.code]),
      [[events[9]?.id, 'test.poison']],
    );
    assert.equal((await found()).length, 19);
  });

  contract('when rejections cannot be put away the write fails', async ({ open }) => {
    await using sink = await open(contractFormat);
    const claim = await sink.checkpoints?.claim('contract/0', signal);
    const event = testEvent({ sequence: 1, document: { poison: true } });
    const context = contextFor(event, claim?.epoch ?? 1, []);
    const reject = () => Promise.reject(new SluiceError('nowhere', { kind: 'config', code: 'test.nowhere' }));
    await assert.rejects(sink.write([envelope(event)], { ...context, reject }), { code: 'test.nowhere' });
  });

  contract('opened again it appends', async ({ open, found }) => {
    for (const sequence of [1, 2]) {
      await using sink = await open(contractFormat);
      await writeAll(sink, [testEvent({ sequence, id: 1 })], 1);
    }
    assert.equal((await found()).length, 2);
  });
}
