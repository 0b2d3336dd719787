import assert from 'node:assert/strict';
import { test } from 'node:test';
import { documentValue } from '../../../bson/build-document.ts';
import type { SnapshotReason } from '../../../core/snapshot.ts';
import type { SourceBatch } from '../../../core/source.ts';
import { Aligner } from './aligner.ts';
import type { Structure } from './marker-events.ts';
import { simpleOrder } from './remaining.ts';
import type { ChunkResult } from './rows.ts';
import { changeState, EMPTY_COPY, isCopied, NO_SNAPSHOTS, parseState } from './snapshot-state.ts';
import { documentWith, formsOf, type KeyForm } from './test-support/model-keys.ts';
import { highWater } from './test-support/model-server.ts';

/*
 * Where what a collection is like stands among its rows, and what is copied at each of these places.
 */

const description = documentValue([]);
const CREATE: Structure = { op: 'create', nsType: 'collection', description };
const INDEXES: Structure = { op: 'createIndexes', nsType: 'collection', description };

/** An aligner that copies `shop.a`, with a place for chunks. */
function copying(reason: SnapshotReason): Aligner {
  const remaining = [{ after: undefined, through: undefined }];
  const copy = { ...EMPTY_COPY, namespace: { db: 'shop', coll: 'a' }, mode: 'pass', remaining } as const;
  const run = { reason, startedAtMs: 0, since: { t: 1, i: 1 }, paused: false } as const;
  const aligner = new Aligner({
    state: changeState(NO_SNAPSHOTS, { run: { ...run, collections: new Map([['shop.a', copy]]) } }),
    position: highWater({ t: 1, i: 1 }),
    parallelism: 2,
    inFlightLimitBytes: 1_000,
    emptyMeansAll: true,
    keyOrder: simpleOrder,
    adopt: () => undefined,
  });
  const position = highWater({ t: 1, i: 5 });
  aligner.receive({ events: [], position, bytes: 0, caughtUp: true, empty: true });
  while (aligner.next() !== undefined);
  return aligner;
}

/** Reads a chunk of one document; the batch that it becomes. */
function chunk(aligner: Aligner, key: number, more: Partial<ChunkResult>): SourceBatch {
  const read = aligner.startRead();
  assert.ok(read !== undefined);
  const document = documentWith(formsOf(key)[0] as KeyForm, 1);
  const result = { rows: [document], bytes: document.length, next: undefined, readAtMs: 0, keys: 1 };
  aligner.finish(read, { ...result, ...more });
  const batch = aligner.next();
  assert.ok(batch !== undefined);
  return batch;
}

const opsOf = ({ events }: SourceBatch) => events.map(({ op }) => op);

/** Whether, behind each event of a batch, the collection counts as copied. */
function copiedBehind({ events, position }: SourceBatch): boolean[] {
  return events.map((event) => {
    const { run } = parseState(event.position.state ?? position.state);
    const copy = run?.collections.get('shop.a');
    return copy === undefined || isCopied(copy);
  });
}

test('a collection is described in front of its first rows and its indexes behind the last, each once', () => {
  const aligner = copying('initial');
  const both = { create: CREATE, indexes: INDEXES };
  const first = chunk(aligner, 1, { ...both, indexes: undefined, next: formsOf(1)[0]!.value });
  assert.deepEqual(opsOf(first), ['create', 'snapshot']);
  const last = chunk(aligner, 2, both);
  assert.deepEqual(opsOf(last), ['snapshot', 'createIndexes']);
  assert.deepEqual(copiedBehind(first), [false, false]);
  assert.deepEqual(copiedBehind(last), [false, true]);
  assert.deepEqual(first.events[0]?.namespace, { db: 'shop', coll: 'a' });
});

test('behind the description in front of rows nothing more is copied than before', () => {
  const batch = chunk(copying('initial'), 1, { create: CREATE, next: formsOf(1)[0]!.value });
  const [create] = batch.events;
  const remaining = parseState(create?.position.state).run?.collections.get('shop.a')?.remaining;
  assert.deepEqual(remaining, [{ after: undefined, through: undefined }]);
});

test('after a lost position the end of the copy comes before the indexes, and is not the last to count', () => {
  const batch = chunk(copying('position-lost'), 1, { create: CREATE, indexes: INDEXES });
  assert.deepEqual(opsOf(batch), ['create', 'snapshot', 'snapshotEnd', 'createIndexes']);
  assert.deepEqual(copiedBehind(batch), [false, false, false, true]);
  const without = chunk(copying('position-lost'), 1, { create: CREATE });
  assert.deepEqual(opsOf(without), ['create', 'snapshot', 'snapshotEnd']);
  assert.deepEqual(copiedBehind(without), [false, false, true]);
});

test('an empty collection is described too', () => {
  const batch = chunk(copying('initial'), 1, { create: CREATE, indexes: INDEXES, rows: [], bytes: 0 });
  assert.deepEqual(opsOf(batch), ['create', 'createIndexes']);
  assert.deepEqual(copiedBehind(batch), [false, true]);
});
