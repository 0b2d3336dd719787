import assert from 'node:assert/strict';
import { RelayedEvent } from '../../bson/relayed-event.ts';
import * as b from '../../bson/test-support/bson-bytes.ts';
import type { ClusterTime } from '../../core/cluster-time.ts';
import { assertHeld, type Case, changesOf, mixedChanges, openAt } from './document-case.ts';
import { documentEvent, dropOf, endOfCopy, renameOf } from './document-events.ts';

/*
 * What a sink does that knows how old the documents are which it keeps.
 */

/** Older events, in the same batch and later. */
export async function olderEvents(c: Case): Promise<void> {
  const at = changesOf(c);
  const [older, middle, newer] = [at.insert(1), at.update(1), at.update(1)];
  await using sink = await openAt(c);
  assert.equal((await sink.write([newer, older])).delivered, 2);
  assert.equal((await sink.write([middle])).delivered, 1);
  await assertHeld(c, [newer]);
}

/** Writes that come after the delete that they are older than. */
export async function lateWrites(c: Case): Promise<void> {
  const at = changesOf(c);
  const [first, late, never] = [at.insert(1), at.update(1), at.insert(2)];
  const [gone, neverGone] = [at.delete(1), at.delete(2)];
  await using sink = await openAt(c);
  await sink.write([first]);
  await sink.write([gone, neverGone]);
  await sink.write([late]);
  await sink.write([never]);
  await assertHeld(c, []);
  const again = at.insert(1);
  await sink.write([again]);
  await assertHeld(c, [again]);
}

/** Changes of one document at one cluster time, told apart by ordinals from `first` on; a batch for each. */
export async function oneMoment(c: Case, clusterTime: ClusterTime, first: number): Promise<void> {
  const at = changesOf(c);
  const changes = [at.insert(1), at.update(1), at.delete(1), at.insert(1), at.update(1), at.delete(1)].map(
    (event, index) =>
      new RelayedEvent(event, event.position, { id: event.id, version: { clusterTime, ordinal: first + index } }),
  );
  await using sink = await openAt(c);
  for (const [index, change] of changes.entries()) {
    assert.equal((await sink.write([change])).delivered, 1);
    await assertHeld(c, changes.slice(0, index + 1));
  }
}

/** Another sink that writes the same events at other times. */
export async function zombie(c: Case): Promise<void> {
  const events = mixedChanges(c, 300);
  await using sink = await openAt(c);
  await using zombie = await openAt(c);
  for (let done = 0; done < events.length; ) {
    const end = Math.min(events.length, done + 1 + c.random.int(40));
    const late = c.random.int(end);
    const lateEnd = Math.min(end, late + c.random.int(30));
    await Promise.all([sink.write(events.slice(done, end)), zombie.write(events.slice(late, lateEnd))]);
    done = end;
  }
  await assertHeld(c, events);
}

/** The end of a copy, twice, and writes from before and after it. */
export async function sweep(c: Case): Promise<void> {
  const at = (sequence: number, id: number, op: 'snapshot' | 'delete' = 'snapshot') =>
    documentEvent({ op, coll: c.coll, id: b.int32(id), sequence });
  await using sink = await openAt(c);
  await sink.write([at(1, 1), at(2, 2), at(3, 3), at(4, 4, 'delete')]);
  await sink.write([at(20, 2)]);
  const end = endOfCopy(c.coll, { since: 10, sequence: 30 });
  for (let time = 0; time < 2; time++) {
    assert.deepEqual(await sink.write([end]), { delivered: 1, filtered: 0, rejections: [] });
    await assertHeld(c, [at(20, 2)]);
  }
  await sink.write([at(5, 1)]);
  await assertHeld(c, [at(20, 2)]);
  await sink.write([at(40, 1)]);
  await assertHeld(c, [at(20, 2), at(40, 1)]);
}

/** A drop, and its repetition after newer documents. */
export async function drop(c: Case): Promise<void> {
  const at = (sequence: number, id: number) => documentEvent({ op: 'insert', coll: c.coll, id: b.int32(id), sequence });
  await using sink = await openAt(c);
  await sink.write([at(1, 1), at(2, 2)]);
  await sink.write([dropOf(c.coll, 10)]);
  await assertHeld(c, []);
  await sink.write([at(20, 2)]);
  await assertHeld(c, [at(20, 2)]);
  await sink.write([at(1, 1), at(2, 2)]);
  await sink.write([dropOf(c.coll, 10)]);
  await assertHeld(c, [at(20, 2)]);
}

/** A rename that replaces, and its repetition after newer documents. */
export async function rename(c: Case): Promise<void> {
  const at = (coll: string, sequence: number, id: number) =>
    documentEvent({ op: 'insert', coll, id: b.int32(id), sequence });
  const to = `${c.coll}_new`;
  await using sink = await openAt(c);
  await sink.write([at(c.coll, 1, 1), at(c.coll, 2, 2), at(to, 3, 3)]);
  const renamed = renameOf(c.coll, { to, dropTarget: true, sequence: 10 });
  await sink.write([renamed]);
  await assertHeld({ ...c, coll: to }, [at(to, 1, 1), at(to, 2, 2)]);
  await assertHeld(c, []);
  await sink.write([at(c.coll, 20, 1), at(to, 21, 2)]);
  await sink.write([renamed]);
  await assertHeld({ ...c, coll: to }, [at(to, 1, 1), at(to, 21, 2)]);
  await assertHeld(c, [at(c.coll, 20, 1)]);
}
