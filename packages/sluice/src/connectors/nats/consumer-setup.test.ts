import assert from 'node:assert/strict';
import { test } from 'node:test';
import { natsSourceConfig } from './config.ts';
import { consumerConfig, consumerNames, consumerProblems } from './consumer-setup.ts';
import { subjectsOverlap } from './subject-template.ts';

const config = (more: object = {}) => natsSourceConfig.parse({ servers: ['localhost:4222'], stream: 'shop', ...more });

for (const [one, other, overlap] of [
  ['a', 'a', true],
  ['a', 'b', false],
  ['a', 'a.b', false],
  ['a.*', 'a.b', true],
  ['a.*', '*.b', true],
  ['a.*.c', 'a.b.d', false],
  ['a.>', 'a', false],
  ['a.>', 'a.b.c', true],
  ['>', 'a', true],
] as const) {
  test(`${one} and ${other} ${overlap ? 'overlap' : 'do not overlap'}`, () => {
    assert.equal(subjectsOverlap(one, other), overlap);
    assert.equal(subjectsOverlap(other, one), overlap);
  });
}

test('each partition has a consumer of its own', () => {
  assert.deepEqual(consumerNames(config(), 'my.pipe'), [{ part: 'shop', durable: 'sluice-my_pipe', subjects: [] }]);
  assert.deepEqual(consumerNames(config({ partitions: [['a.>'], ['b.>']], durable: 'd' }), 'p'), [
    { part: 'shop/0', durable: 'd-0', subjects: ['a.>'] },
    { part: 'shop/1', durable: 'd-1', subjects: ['b.>'] },
  ]);
});

test('a consumer with the wanted settings has no problems, wherever it began', () => {
  const [name] = consumerNames(config({ subjects: ['b', 'a'] }), 'p');
  assert.ok(name !== undefined);
  const found = { ...consumerConfig(config({ startAt: 'new' }), name), filter_subjects: ['a', 'b'] };
  assert.deepEqual(consumerProblems(found, consumerConfig(config(), name)), []);
  assert.deepEqual(consumerProblems({ ...found, max_deliver: 5 }, consumerConfig(config(), name)), [
    'has max_deliver 5, the configuration says -1',
  ]);
});
