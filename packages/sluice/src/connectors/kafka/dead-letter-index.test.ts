import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { DeadLetter } from '../../core/dead-letter.ts';
import { DeadLetterIndex } from './dead-letter-index.ts';
import { decodeDeadLetter, encodeDeadLetter } from './dead-letter-record.ts';
import { data, logOf } from './log-fixture.ts';

const { signal } = new AbortController();
const LIMIT_BYTES = 1_000_000;

const LETTER: DeadLetter = {
  id: 'e',
  pipeline: 'orders',
  partition: 'orders/0',
  namespace: 'shop.orders',
  op: 'insert',
  key: '{"_id":1}',
  clusterTime: { t: 1, i: 1 },
  code: 'test.poison',
  reason: '"seq":99',
  attempts: 1,
  failedAtMs: 1,
  raw: undefined,
  rawBytes: 0,
};

function put(offset: number, key: string, sequence?: bigint) {
  return data(offset, { keys: [key], values: [encodeDeadLetter(LETTER, { limitBytes: LIMIT_BYTES, sequence })] });
}

function remove(offset: number, key: string) {
  return data(offset, { keys: [key], values: [null] });
}

type Batches = Parameters<typeof logOf>[0];

/** The keys in the order of the list. */
async function inOrder(batches: Batches): Promise<readonly string[]> {
  const index = new DeadLetterIndex(logOf(batches), () => true);
  await index.readOn(signal);
  return [...index.places].sort(([, a], [, b]) => Number(a.first - b.first)).map(([key]) => key);
}

/** What compaction leaves: the last record of each key. */
function compacted(batches: Batches): Batches {
  const keyOf = (batch: Batches[number]) => batch.records[0]?.key?.toString();
  return batches.filter((batch) => batches.findLast((other) => keyOf(other) === keyOf(batch)) === batch);
}

for (const [title, batches, expected] of [
  ['each put once', [put(0, 'a'), put(1, 'b')], ['a', 'b']],
  ['one put again', [put(0, 'a'), put(1, 'b'), put(2, 'c'), put(3, 'a', 0n)], ['a', 'b', 'c']],
  ['one put again twice', [put(0, 'a'), put(1, 'b'), put(2, 'a', 0n), put(3, 'a', 0n)], ['a', 'b']],
  ['one removed and put anew', [put(0, 'a'), put(1, 'b'), remove(2, 'a'), put(3, 'a')], ['b', 'a']],
] as const) {
  test(`the order stays over compaction: ${title}`, async () => {
    assert.deepEqual(await inOrder(batches), expected);
    assert.deepEqual(await inOrder(compacted(batches)), expected);
  });
}

test('only what is new is read when it reads on', async () => {
  const batches = [put(0, 'a'), put(1, 'b')];
  const log = logOf([]);
  const reads: bigint[] = [];
  const growing = {
    ...log,
    bounds: (abort: AbortSignal) => logOf(batches).bounds(abort),
    read: (from: bigint, to: bigint, abort: AbortSignal) => {
      reads.push(from);
      return logOf(batches).read(from, to, abort);
    },
  };
  const index = new DeadLetterIndex(growing, () => true);
  await index.readOn(signal);
  batches.push(put(2, 'c'), put(3, 'a', 0n));
  await index.readOn(signal);
  assert.deepEqual(reads, [0n, 2n]);
  assert.deepEqual(index.places.get('a'), { first: 0n, last: 3n });
  batches.splice(0, batches.length, put(0, 'z'));
  await index.readOn(signal);
  assert.deepEqual([...index.places.keys()], ['z']);
});

test('the place is no part of the entry that comes out', () => {
  const text = encodeDeadLetter(LETTER, { limitBytes: LIMIT_BYTES, sequence: 7n });
  assert.deepEqual(decodeDeadLetter(Buffer.from(text), 'here'), LETTER);
});
