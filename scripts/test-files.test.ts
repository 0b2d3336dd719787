import assert from 'node:assert/strict';
import { test } from 'node:test';
import { findTestFiles, neededServers, parseSelection, selectFiles } from './test-files.ts';
import { TestOutcome } from './test-outcome.ts';

const FILES = ['a/x.test.ts', 'a/y.mongo.test.ts', 'b/kafka/z.test.ts', 'b/kafka/z.kafka.test.ts'];

test('without arguments every file is run, those with servers first', () => {
  assert.deepEqual(selectFiles(FILES, parseSelection([])), [
    'a/y.mongo.test.ts',
    'b/kafka/z.kafka.test.ts',
    'a/x.test.ts',
    'b/kafka/z.test.ts',
  ]);
});

test('parts of paths and --unit make the selection smaller', () => {
  assert.deepEqual(selectFiles(FILES, parseSelection(['a/x', 'a/y', 'z.kafka'])), [
    'a/y.mongo.test.ts',
    'b/kafka/z.kafka.test.ts',
    'a/x.test.ts',
  ]);
  assert.deepEqual(selectFiles(FILES, parseSelection(['kafka', '--unit'])), ['b/kafka/z.test.ts']);
  assert.throws(() => parseSelection(['--watch']), /unknown option --watch/);
});

test('servers are started only for the files that need them', () => {
  const none = { mongo: false, kafka: false, nats: false, search: false, postgres: false };
  assert.deepEqual(neededServers(['a/x.test.ts', 'b/kafka/z.test.ts', 'b/search.test.ts']), none);
  assert.deepEqual(neededServers(['a/y.mongo.test.ts']), { ...none, mongo: true });
  for (const kind of ['kafka', 'nats', 'search', 'postgres']) {
    assert.deepEqual(neededServers([`b/${kind}/z.${kind}.test.ts`]), { ...none, mongo: true, [kind]: true });
  }
});

test('this file is found where the runner looks', () => {
  assert.ok(findTestFiles(`${import.meta.dirname}/..`).includes('scripts/test-files.test.ts'));
});

test('a run with a skipped test, an empty file or no test at all does not count', () => {
  const passed = { name: 'works', nesting: 0, passed: true, file: 'a.test.ts' };
  const complaints = (...tests: (typeof passed & { skip?: string | boolean; todo?: string | boolean })[]) => {
    const outcome = new TestOutcome();
    for (const finished of tests) outcome.add(finished);
    return outcome.complaints();
  };
  assert.deepEqual(complaints(passed), []);
  assert.deepEqual(complaints(), ['no test ran']);
  assert.deepEqual(complaints(passed, { ...passed, name: 'off', skip: true }), [
    'skipped or marked as todo: off (a.test.ts)',
  ]);
  assert.deepEqual(complaints(passed, { ...passed, name: 'later', todo: 'soon' }), [
    'skipped or marked as todo: later (a.test.ts)',
  ]);
  assert.deepEqual(complaints({ ...passed, name: '/r/a.test.ts' }), ['no tests in a.test.ts', 'no test ran']);
  assert.deepEqual(complaints(passed, { ...passed, name: '/r/a.test.ts', passed: false }), []);
});
