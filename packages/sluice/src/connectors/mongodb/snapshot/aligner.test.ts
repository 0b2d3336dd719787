import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ChangeEvent } from '../../../core/change-event.ts';
import { seededRandom, testRandom } from '../../../testing/random.ts';
import { Aligner } from './aligner.ts';
import type { StreamBatch } from './anchor.ts';
import { simpleOrder } from './remaining.ts';
import {
  type CollectionCopy,
  changeCopy,
  changeState,
  EMPTY_COPY,
  NO_SNAPSHOTS,
  type SnapshotState,
} from './snapshot-state.ts';
import { documentWith, formsOf, type KeyForm } from './test-support/model-keys.ts';
import { highWater, ModelEvent, type ModelWrite } from './test-support/model-server.ts';
import { simulate, type Tally } from './test-support/simulation.ts';

const RUNS = 4_000;
const WHOLE = [{ after: undefined, through: undefined }];

test('whatever happens in whatever order, a sink gets the history of every document, and all of it', (t) => {
  const { seed } = testRandom(t);
  const total: Tally = { changes: 0, rows: 0, crashes: 0, crashesInsideBatch: 0, failedReads: 0, readsAhead: 0 };
  for (let run = 0; run < RUNS; run++) {
    try {
      const tally = simulate(seededRandom(seed + run));
      for (const name of Object.keys(total) as (keyof Tally)[]) total[name] += tally[name];
    } catch (error) {
      t.diagnostic(`failed: SLUICE_TEST_SEED=${seed + run}`);
      throw error;
    }
  }
  t.diagnostic(JSON.stringify(total));
  for (const [name, count] of Object.entries(total)) assert.ok(count > RUNS / 10, `${name}: ${count}`);
});

/** A state in which these collections of `shop` are being copied, each with what remains of it. */
function copying(remaining: Record<string, CollectionCopy['remaining']>): SnapshotState {
  const copies = Object.entries(remaining).map(([coll, intervals]): [string, CollectionCopy] => [
    `shop.${coll}`,
    { ...EMPTY_COPY, namespace: { db: 'shop', coll }, mode: 'hold', remaining: intervals },
  ]);
  const run = { reason: 'initial', startedAtMs: 0, since: { t: 1, i: 1 }, paused: false } as const;
  return changeState(NO_SNAPSHOTS, { run: { ...run, collections: new Map(copies) } });
}

function alignerWith(state: SnapshotState): Aligner {
  return new Aligner({
    state,
    position: highWater({ t: 1, i: 1 }),
    parallelism: 2,
    inFlightLimitBytes: 1_000,
    emptyMeansAll: true,
    keyOrder: simpleOrder,
    adopt: () => ({ match: undefined }),
  });
}

function changeAt(i: number, write: ModelWrite): ModelEvent {
  const form = write.key === undefined ? undefined : formsOf(write.key)[0];
  return new ModelEvent(write, { clusterTime: { t: 1, i }, ordinal: 0 }, form);
}

function answerOf(...events: readonly ModelEvent[]): StreamBatch {
  const position = events.at(-1)?.position ?? highWater({ t: 1, i: 1 });
  return { events, position, bytes: 0, caughtUp: true, empty: false };
}

function quietAt(i: number): StreamBatch {
  return { ...answerOf(), position: highWater({ t: 1, i }), empty: true };
}

/** All that can be handed out now. */
function handedOut(aligner: Aligner): ChangeEvent[] {
  const events: ChangeEvent[] = [];
  for (let batch = aligner.next(); batch !== undefined; batch = aligner.next()) events.push(...batch.events);
  return events;
}

test('a run with nothing to copy is over at once', () => {
  assert.equal(alignerWith(copying({})).state.run, undefined);
  const copied = alignerWith(copying({ a: [] }));
  assert.equal(copied.state.run, undefined);
  assert.deepEqual([...copied.state.covered.keys()], ['shop.a']);
});

test('a collection that is renamed into the stream is copied, also when none was covered before', () => {
  const aligner = alignerWith(copying({}));
  const rename = changeAt(5, { op: 'rename', coll: 'outside', to: 'a' });
  aligner.receive(answerOf(rename, changeAt(6, { op: 'update', coll: 'a', key: 3 })));
  assert.deepEqual(handedOut(aligner), [rename], 'the update is held back');
  assert.deepEqual([...(aligner.state.run?.collections.keys() ?? [])], ['shop.a']);
});

test('a collection that begins anew after it was copied is read again while others are still copied', () => {
  const aligner = alignerWith(copying({ a: [], b: WHOLE }));
  aligner.receive(quietAt(5));
  handedOut(aligner);
  const other = aligner.startRead();
  assert.equal(other?.copy.namespace.coll, 'b');
  aligner.fail(other);
  aligner.receive(answerOf(changeAt(6, { op: 'rename', coll: 'outside', to: 'a' })));
  handedOut(aligner);
  const anew = aligner.state.run?.collections.get('shop.a');
  assert.ok(anew !== undefined);
  aligner.update(changeCopy(aligner.state, 'shop.a', { ...anew, remaining: WHOLE }));
  aligner.receive(quietAt(8));
  const reads = [aligner.startRead(), aligner.startRead()];
  assert.deepEqual(new Set(reads.map((read) => read?.copy.namespace.coll)), new Set(['a', 'b']));
});

test('what was read of a collection that is gone by then is thrown away', () => {
  const aligner = alignerWith(copying({ a: WHOLE, b: WHOLE }));
  aligner.receive(quietAt(5));
  const read = aligner.startRead();
  assert.equal(read?.copy.namespace.coll, 'a');
  aligner.update(changeCopy(aligner.state, 'shop.a', undefined));
  const document = documentWith(formsOf(3)[0] as KeyForm, 1);
  aligner.finish(read, { rows: [document], bytes: document.length, next: undefined, readAtMs: 0, keys: 1 });
  assert.deepEqual(handedOut(aligner), []);
});

test('rows stand between the changes they include and those they do not', () => {
  const aligner = alignerWith(copying({ a: WHOLE }));
  const [included, later] = [
    changeAt(5, { op: 'update', coll: 'a', key: 3 }),
    changeAt(7, { op: 'update', coll: 'a', key: 3 }),
  ];
  aligner.receive(answerOf(included, later));
  const read = aligner.startRead();
  assert.ok(read !== undefined);
  assert.deepEqual(read.at, { t: 1, i: 6 });
  assert.deepEqual(handedOut(aligner), [], 'the change before the anchor is in the row, the one behind it waits');
  const document = documentWith(formsOf(3)[0] as KeyForm, 1);
  aligner.finish(read, {
    rows: [document],
    bytes: document.length,
    next: formsOf(3)[0]?.value,
    readAtMs: 0,
    keys: 1,
  });
  const [row, ...rest] = handedOut(aligner);
  assert.deepEqual(row?.version.clusterTime, { t: 1, i: 6 });
  assert.deepEqual(row?.after(), document);
  assert.deepEqual(rest, [later]);
});

test('a changed state is handed out although nothing else has come, and once', () => {
  const aligner = alignerWith(copying({ a: WHOLE }));
  const { run } = aligner.state;
  assert.ok(run !== undefined);
  aligner.update(changeState(aligner.state, { run: { ...run, paused: true } }));
  const batch = aligner.next();
  assert.deepEqual(batch?.events, []);
  assert.equal(batch?.position.state?.revision, aligner.state.revision);
  assert.equal(batch?.position.token, highWater({ t: 1, i: 1 }).token);
  assert.equal(aligner.next(), undefined);
});

test('while a run is paused nothing is read, and the stream goes on', () => {
  const aligner = alignerWith(copying({ a: [], b: WHOLE }));
  const { run } = aligner.state;
  assert.ok(run !== undefined);
  aligner.update(changeState(aligner.state, { run: { ...run, paused: true } }));
  const change = changeAt(5, { op: 'update', coll: 'a', key: 3 });
  aligner.receive(answerOf(change));
  aligner.receive(quietAt(8));
  assert.equal(aligner.startRead(), undefined);
  assert.deepEqual(handedOut(aligner), [change]);
  assert.equal(aligner.position?.token, highWater({ t: 1, i: 8 }).token);
});
