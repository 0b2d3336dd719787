import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Namespace } from '../../core/change-event.ts';
import { testEvent } from '../../testing/events.ts';
import { IndexNames } from './index-name.ts';
import { TargetIndexes } from './target-indexes.ts';

const SHARED = { code: 'search.shared-index', kind: 'config' };
const namespace = (coll: string, db = 'a'): Namespace => ({ db, coll });

function envelope(source: Namespace, named = source) {
  return { event: testEvent({ namespace: source }), namespace: named };
}

test('two collections never share an index, also those of two databases', () => {
  const targets = new TargetIndexes(new IndexNames('x-{coll}'));
  assert.equal(targets.of(envelope(namespace('orders'))).index, 'x-orders');
  assert.equal(targets.of(envelope(namespace('orders'))).index, 'x-orders');
  assert.throws(() => targets.of(envelope(namespace('orders', 'b'))), SHARED);
});

test('a renamed collection keeps an index that has a name of its own, until both names are in use', () => {
  const targets = new TargetIndexes(new IndexNames('orders'));
  const [before, after, other] = [namespace('a'), namespace('b'), namespace('c')];
  targets.of(envelope(before));
  assert.throws(() => targets.of(envelope(after)), SHARED);
  targets.renamed('orders', after);
  // It may have been renamed out of the way, and made anew.
  assert.equal(targets.of(envelope(before)).source, before);
  assert.throws(() => targets.of(envelope(other)), SHARED);
  assert.equal(targets.of(envelope(after)).source, after);
  assert.throws(() => targets.of(envelope(before)), SHARED);
});

test('the copy of a collection that is converted goes to the index of the collection', () => {
  const copy = namespace('tmpAb3xY.convertToCapped.orders');
  const targets = new TargetIndexes(new IndexNames('{db}.{coll}'));
  assert.equal(targets.wasConverted(namespace('orders')), false);
  assert.equal(targets.of(envelope(copy)).index, 'a.orders');
  assert.equal(targets.wasConverted(namespace('orders')), true);
  // A transform has renamed the collection, and not the copy.
  const renaming = new TargetIndexes(new IndexNames('{db}.{coll}'));
  renaming.of(envelope(namespace('orders'), namespace('shop')));
  assert.equal(renaming.of(envelope(copy)).index, 'a.shop');
});
