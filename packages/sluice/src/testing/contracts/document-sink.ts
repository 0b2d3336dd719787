import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import * as b from '../../bson/test-support/bson-bytes.ts';
import { SluiceError } from '../../core/failure.ts';
import { testRandom } from '../random.ts';
import {
  assertHeld,
  broken,
  type Case,
  changesOf,
  cut,
  type DocumentSinkFixture,
  describe,
  laneOf,
  mixedChanges,
  openAt,
} from './document-case.ts';
import { documentEvent, streamTime } from './document-events.ts';
import { drop, lateWrites, olderEvents, oneMoment, rename, sweep, zombie } from './document-order.ts';
import { everyType } from './document-types.ts';

export type { DocumentSinkFixture } from './document-case.ts';

/** What a sink that keeps documents promises besides what all of them do. */
export interface DocumentPromises {
  /** An older event never overwrites a newer state, and does not bring a deleted document back. */
  readonly guarded: boolean;
  /** What a copy did not give again goes when the copy ends. */
  readonly sweeps: boolean;
  /** A drop empties. */
  readonly empties: boolean;
  /** A rename moves. */
  readonly renames: boolean;
  /** Different keys can be written at the same time. Otherwise it keeps the checkpoints and refuses former owners. */
  readonly lanes: boolean;
  /** It asks before each request whether it may still write. Otherwise the engine asks before the batch, and a batch is whole. */
  readonly asks: boolean;
  /** Fields that make a document that only the target itself refuses. */
  readonly refused?: readonly b.Field[];
}

/** A fixture may have to start a server first. */
const CASE_LIMIT_MS = 300_000;

/** Beyond what a number of a version can tell apart. */
const LATE_IN_A_TRANSACTION = 5_000;

/** What every sink that keeps documents promises. `fixture` is asked for once per case. */
export function documentSinkContract(
  name: string,
  promises: DocumentPromises,
  fixture: () => Promise<DocumentSinkFixture>,
): void {
  const contract = (title: string, body: (c: Case) => Promise<void>, applies = true) => {
    if (!applies) return;
    test(`${name} sink of documents: ${title}`, { timeout: CASE_LIMIT_MS }, async (t) => {
      const prepared = await fixture();
      try {
        await body({ ...prepared, coll: `c_${randomBytes(4).toString('hex')}`, random: testRandom(t) });
      } finally {
        await prepared.cleanup?.();
      }
    });
  };
  states(contract);
  contract('two lanes with keys of their own write at the same time', lanes, promises.lanes);
  contract('documents with every type of value and of id arrive, no two in one', everyType);
  rejections(contract, promises.refused);
  life(contract);
  contract('it asks whether it may still write, and writes nothing when not', asking, promises.asks);
  contract('a former owner is refused and writes nothing', fencing, !promises.lanes);
  const { guarded } = promises;
  contract('an older event in the same batch or a later one changes nothing', olderEvents, guarded);
  contract('a late write does not bring back what is deleted, or was never there', lateWrites, guarded);
  const largeTransaction = (c: Case) => oneMoment(c, streamTime(1), LATE_IN_A_TRANSACTION);
  contract('changes late in a very large transaction come in their order', largeTransaction, guarded);
  const timeless = (c: Case) => oneMoment(c, { t: 0, i: 0 }, 0);
  contract('changes that tell no time come in their order', timeless, guarded);
  contract('a former owner that writes late and out of time never wins', zombie, guarded && promises.lanes);
  contract('what a copy has not given again goes when it ends, and stays away', sweep, promises.sweeps);
  contract('a drop empties, also when it comes again; newer documents stay', drop, promises.empties);
  contract('a rename moves the documents, also when it comes again', rename, promises.renames);
}

type Contract = (title: string, body: (c: Case) => Promise<void>, applies?: boolean) => void;

function states(contract: Contract): void {
  contract('the last event of a document in a batch says what is kept', async (c) => {
    const at = changesOf(c);
    const events = [at.insert(1), at.insert(2), at.update(1), at.delete(2), at.insert(3), at.delete(3), at.insert(2)];
    await using sink = await openAt(c);
    assert.deepEqual(await sink.write(events), { delivered: events.length, filtered: 0, rejections: [] });
    await assertHeld(c, events);
  });

  contract('mixed changes in batches of any size end in what they say', async (c) => {
    const events = mixedChanges(c, 600);
    await using sink = await openAt(c);
    for (const batch of cut(events, c.random)) {
      assert.deepEqual(await sink.write(batch), { delivered: batch.length, filtered: 0, rejections: [] });
    }
    await assertHeld(c, events);
  });

  contract('a replay from any earlier place ends in the same', async (c) => {
    const events = mixedChanges(c, 300);
    await using sink = await openAt(c);
    for (let done = 0; done < events.length; ) {
      const end = Math.min(events.length, done + 1 + c.random.int(60));
      const from = c.random.chance(0.4) ? c.random.int(done + 1) : done;
      await sink.write(events.slice(from, end));
      done = end;
    }
    await assertHeld(c, events);
  });

  contract('rows of a copy and changes are the same document', async (c) => {
    const at = changesOf(c);
    const events = [at.row(1), at.row(2), at.update(1), at.row(3), at.delete(2)];
    await using sink = await openAt(c);
    for (const event of events) await sink.write([event]);
    await assertHeld(c, events);
  });
}

async function lanes(c: Case): Promise<void> {
  await using sink = await openAt(c);
  assert.ok((sink.inner.limits.lanes ?? 1) > 1);
  const events = mixedChanges(c, 800);
  const lane = async (number: number) => {
    const own = events.filter((event) => laneOf(event) === number);
    for (const batch of cut(own, c.random.fork(number))) await sink.write(batch);
  };
  await Promise.all([lane(0), lane(1)]);
  await assertHeld(c, events);
}

function rejections(contract: Contract, fields: readonly b.Field[] | undefined): void {
  contract('an event that cannot be written is handed over, its neighbours are delivered', async (c) => {
    const poison = broken(c, 5);
    const events = Array.from({ length: 10 }, (_, n) => (n === 5 ? poison : changesOf(c, n).insert(n)));
    await using sink = await openAt(c);
    const { delivered, filtered, rejections } = await sink.write(events);
    assert.deepEqual([delivered, filtered], [9, 0]);
    assert.deepEqual(rejections.map(describe), [`${poison.id} rejected`]);
    await assertHeld(
      c,
      events.filter((event) => event !== poison),
    );
  });

  const refusal = async (c: Case) => {
    const refused = documentEvent({ op: 'insert', coll: c.coll, id: b.int32(5), fields: fields ?? [], sequence: 5 });
    const events = Array.from({ length: 10 }, (_, n) => (n === 5 ? refused : changesOf(c, n).insert(n)));
    await using sink = await openAt(c);
    const { delivered, rejections } = await sink.write(events);
    assert.deepEqual(rejections.map(describe), [`${refused.id} rejected`]);
    assert.equal(delivered, 9);
    const good = events.filter((event) => event !== refused);
    await assertHeld(c, good);
  };
  const title = 'a document that the target refuses is handed over, its neighbours are delivered';
  contract(title, refusal, fields !== undefined);

  contract('when rejections cannot be put away the write fails and nothing is delivered', async (c) => {
    await using sink = await openAt(c);
    const nowhere = new SluiceError('nowhere', { kind: 'config', code: 'test.nowhere' });
    const events = [changesOf(c).insert(1), broken(c, 9)];
    await assert.rejects(sink.write(events, { reject: () => Promise.reject(nowhere) }), { code: 'test.nowhere' });
    await assertHeld(c, []);
  });
}

function life(contract: Contract): void {
  contract('a write after an abort rejects with the abort', async (c) => {
    await using sink = await openAt(c);
    const abort = new AbortController();
    abort.abort(new Error('enough'));
    await assert.rejects(
      sink.write([changesOf(c).insert(1)], { signal: abort.signal }),
      (error) => error === abort.signal.reason,
    );
  });

  contract('opened again it goes on', async (c) => {
    const events = mixedChanges(c, 60);
    for (const batch of [events.slice(0, 30), events.slice(20)]) {
      await using sink = await openAt(c);
      await sink.write(batch);
    }
    await assertHeld(c, events);
  });
}

async function asking(c: Case): Promise<void> {
  await using sink = await openAt(c);
  const lost = new SluiceError('somebody else', { kind: 'fenced', code: 'test.lost' });
  const ensureOwned = () => {
    throw lost;
  };
  await assert.rejects(sink.write([changesOf(c).insert(1)], { ensureOwned }), { code: 'test.lost' });
  await assertHeld(c, []);
}

async function fencing(c: Case): Promise<void> {
  const at = changesOf(c);
  const first = at.insert(1);
  await using former = await openAt(c);
  await former.write([first]);
  await using owner = await openAt(c);
  await assert.rejects(former.write([at.update(1), at.insert(2)]), { kind: 'fenced' });
  await assertHeld(c, [first]);
  const next = at.update(1);
  await owner.write([next]);
  await assertHeld(c, [next]);
}
