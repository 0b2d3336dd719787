import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assignmentChange, byTopic, keysOf, partitionKey, splitKey } from './assignment.ts';

test('an assignment becomes keys and back', () => {
  const assignment = [
    { topicId: 'a', partitions: [0, 2] },
    { topicId: 'b', partitions: [1] },
  ];
  const keys = keysOf(assignment);
  assert.deepEqual([...keys], ['a/0', 'a/2', 'b/1']);
  assert.deepEqual(byTopic(keys), assignment);
  assert.deepEqual(splitKey(partitionKey('a', 2)), { topicId: 'a', partition: 2 });
});

for (const { title, owned, assigned, added, revoked } of [
  { title: 'nothing changes', owned: [0, 1], assigned: [0, 1], added: [], revoked: [] },
  { title: 'everything is new', owned: [], assigned: [0, 1], added: ['t/0', 't/1'], revoked: [] },
  { title: 'everything goes', owned: [0, 1], assigned: [], added: [], revoked: ['t/0', 't/1'] },
  { title: 'some stay', owned: [0, 1, 2], assigned: [1, 3], added: ['t/3'], revoked: ['t/0', 't/2'] },
]) {
  test(`from what is owned to what is assigned: ${title}`, () => {
    const of = (partitions: readonly number[]) => keysOf([{ topicId: 't', partitions }]);
    assert.deepEqual(assignmentChange(of(owned), of(assigned)), { added, revoked });
  });
}
