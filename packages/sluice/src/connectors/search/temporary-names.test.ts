import assert from 'node:assert/strict';
import { test } from 'node:test';
import { convertedCollection, isTemporary } from './temporary-names.ts';

test('names that the server gives to collections for a while are known', () => {
  const cases: readonly (readonly [string, string | undefined, boolean])[] = [
    ['tmpAb3xY.convertToCapped.a', 'a', false],
    ['tmpAb3xY.convertToCapped.a.b\nc', 'a.b\nc', false],
    ['tmp.agg_out.6e1f1bd0-0f3a-4b1e-9a3e-7b7f3f0c3f2a', undefined, true],
    ['tmpAb3xY.renameCollection', undefined, true],
    ['tmp.mr.orders_7', undefined, true],
    ['tmp.agg_out.', undefined, false],
    ['tmporary', undefined, false],
    ['my.tmp.agg_out.x', undefined, false],
    ['tmpa.renameCollection.b', undefined, false],
    ['convertToCapped.a', undefined, false],
  ];
  for (const [coll, converted, temporary] of cases) {
    assert.equal(convertedCollection({ db: 'd', coll })?.coll, converted, coll);
    assert.equal(isTemporary({ db: 'd', coll }), temporary, coll);
  }
});
