import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seededRandom, testRandom } from './random.ts';

test('the same seed gives the same numbers, another seed others', () => {
  const draw = (seed: number) => {
    const random = seededRandom(seed);
    return Array.from({ length: 20 }, () => random.int(1000));
  };
  assert.deepEqual(draw(7), draw(7));
  assert.notDeepEqual(draw(7), draw(8));
});

test('numbers stay in range and reach all of it', () => {
  const random = seededRandom(1);
  const seen = new Set(Array.from({ length: 1000 }, () => random.int(10)));
  assert.deepEqual(
    [...seen].sort((a, b) => a - b),
    [0, 1, 2, 3, 4, 5, 6, 7, 8, 9],
  );
  assert.equal(random.text(12).length, 12);
});

test('forks differ from each other and do not depend on how much was drawn', () => {
  const random = seededRandom(3);
  const before = random.fork(1).int(1e9);
  random.next();
  assert.equal(random.fork(1).int(1e9), before);
  assert.notEqual(random.fork(2).int(1e9), before);
});

test('a test prints its seed', () => {
  const lines: string[] = [];
  const random = testRandom({ diagnostic: (line) => lines.push(line) });
  assert.deepEqual(lines, [`seed: SLUICE_TEST_SEED=${random.seed}`]);
});
