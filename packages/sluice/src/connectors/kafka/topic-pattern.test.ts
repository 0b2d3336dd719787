import assert from 'node:assert/strict';
import { test } from 'node:test';
import { selectTopics, topicPatternProblem } from './topic-pattern.ts';

for (const [pattern, matching, others] of [
  ['shop.orders', ['shop.orders'], ['shop.orders2', 'shopXorders']],
  ['shop.*', ['shop.orders', 'shop.', 'shop.a.b'], ['shop', 'xshop.a', 'shopXa']],
  ['shop?', ['shop1'], ['shop', 'shop12']],
  ['*', ['a', 'shop.orders', 'sluice.x'], ['__consumer_offsets', 'sluice.dead-letters', 'sluice.checkpoints']],
  ['sluice.dead-letters', ['sluice.dead-letters'], ['sluice.checkpoints']],
  ['/letters/', ['letters'], ['sluice.dead-letters']],
  ['/^shop\\.(orders|users)$/', ['shop.orders', 'shop.users'], ['shop.other', 'xshop.users']],
  ['/orders/', ['shop.orders.v1'], ['shop', '__orders']],
] as const) {
  test(`the selection "${pattern}" matches what it says`, () => {
    assert.equal(topicPatternProblem(pattern), undefined);
    const { matches } = selectTopics([pattern]);
    for (const topic of matching) assert.equal(matches(topic), true, topic);
    for (const topic of others) assert.equal(matches(topic), false, topic);
  });
}

test('names and patterns are told apart', () => {
  const selection = selectTopics(['a', 'b.*', '/c/', '__own']);
  assert.deepEqual(selection.named, ['a', '__own']);
  assert.equal(selection.hasPatterns, true);
  assert.equal(selection.matches('__own'), true);
  assert.equal(selectTopics(['a']).hasPatterns, false);
});

test('what is no topic and no pattern is refused', () => {
  for (const text of ['', 'a b', 'a/b', 'ä', '/(/', 'x'.repeat(250), 'a,*']) {
    assert.notEqual(topicPatternProblem(text), undefined, text);
  }
});
