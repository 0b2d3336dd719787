import assert from 'node:assert/strict';
import { test } from 'node:test';
import { testEvent } from '../../testing/events.ts';
import {
  isCoveredBy,
  isSubjectFilter,
  isSubjectTemplate,
  SubjectTemplate,
  subjectsOfTemplate,
} from './subject-template.ts';

function subject(template: string, init: Parameters<typeof testEvent>[0] = {}): string {
  const event = testEvent({ namespace: { db: 'shop', coll: 'orders' }, ...init });
  return new SubjectTemplate(template).subjectOf(event, event.namespace);
}

test('placeholders are replaced by encoded tokens', () => {
  assert.equal(subject('{coll}.{op}'), 'orders.insert');
  assert.equal(subject('{COLL}.{op}', { op: 'delete' }), 'ORDERS.delete');
  assert.equal(subject('cdc.{db}.{coll}.{op}.{key}', { id: 'a.b c' }), 'cdc.shop.orders.insert.a%2Eb%20c');
  assert.equal(
    subject('{coll}.{op}', { namespace: { db: 'shop', coll: 'orders.eu west' } }),
    'orders%2Eeu%20west.insert',
  );
  assert.equal(
    subject('{db}.{coll}.{op}', { op: 'dropDatabase', namespace: { db: 'shop', coll: '' } }),
    'shop._.dropDatabase',
  );
  assert.equal(subject('x.{key}', { id: '$& $1' }), 'x.%24%26%20%241');
});

test('templates and filters that NATS would not take are refused', () => {
  for (const good of ['{coll}.{op}', 'a.{db}-{coll}', 'x', '{key}']) assert.ok(isSubjectTemplate(good), good);
  for (const bad of ['', '.', 'a..b', 'a.', '{nope}', 'a b', '*.{op}', '>', '$JS.{op}', 'ä']) {
    assert.ok(!isSubjectTemplate(bad), bad);
  }
  for (const good of ['a', 'a.*', '*.*', 'a.>', '>']) assert.ok(isSubjectFilter(good), good);
  for (const bad of ['', 'a..b', 'a.>.b', 'a*', 'a b', 'a.b>']) assert.ok(!isSubjectFilter(bad), bad);
});

test('a new stream takes what a template can give, unless the first token is replaced', () => {
  assert.deepEqual(subjectsOfTemplate('{coll}.{op}'), []);
  assert.deepEqual(subjectsOfTemplate('cdc.{db}.{coll}-{op}'), ['cdc.*.*']);
  const filterOf = (template: string) => new SubjectTemplate(template).filterOf({ db: 'shop', coll: 'a.b' });
  assert.equal(filterOf('{COLL}.{op}'), 'A%2EB.*');
  assert.equal(filterOf('{db}.{coll}.{op}.{key}'), 'shop.a%2Eb.*.*');
  assert.equal(filterOf('x.{coll}-{op}.y'), 'x.*.y');
});

test('coverage of subjects', () => {
  const covered = [
    ['a.b', 'a.b'],
    ['a.b', 'a.*'],
    ['a.b', '>'],
    ['a.*', 'a.*'],
    ['a.b.c', 'a.>'],
    ['a.>', '>'],
    ['a.*', 'a.>'],
  ];
  const not = [
    ['a.b', 'a'],
    ['a', 'a.>'],
    ['a.*', 'a.b'],
    ['a.>', 'a.*'],
    ['a.b.c', 'a.*'],
    ['*.b', 'a.b'],
    ['>', 'a.>'],
  ];
  for (const [filter = '', other = ''] of covered) assert.ok(isCoveredBy(filter, other), `${filter} in ${other}`);
  for (const [filter = '', other = ''] of not) assert.ok(!isCoveredBy(filter, other), `${filter} in ${other}`);
});
