import assert from 'node:assert/strict';
import { test } from 'node:test';
import { comparePositions, type Position } from './position.ts';

const at = (t: number, token: string, revision?: number): Position => ({
  token,
  clusterTime: { t, i: 1 },
  ...(revision === undefined ? {} : { state: { revision, text: '' } }),
});

test('positions order by time, then token, then the revision of the state', () => {
  const ordered = [at(1, '81'), at(2, '82'), at(2, '83'), at(2, '83', 1), at(2, '83', 2), at(3, '84')];
  for (const [index, position] of ordered.entries()) {
    assert.equal(comparePositions(position, position), 0);
    for (const later of ordered.slice(index + 1)) {
      assert.ok(comparePositions(position, later) < 0, `${JSON.stringify(position)} < ${JSON.stringify(later)}`);
      assert.ok(comparePositions(later, position) > 0);
    }
  }
});

test('a position without a token orders by its time alone', () => {
  assert.equal(comparePositions(at(2, ''), at(2, '83', 4)), 0);
  assert.ok(comparePositions(at(1, ''), at(2, '81')) < 0);
});
