import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SluiceError } from '../../core/failure.ts';
import { isTopicTemplate, LONGEST_TOPIC, sanitizeTopic, TOPIC_NAME, TopicTemplate } from './topic-template.ts';

const topicOf = (template: string, db: string, coll: string, op = 'insert') =>
  new TopicTemplate(template).topicOf({ db, coll }, op);

test('placeholders are replaced, everything else is literal', () => {
  assert.equal(topicOf('{db}.{coll}', 'shop', 'orders'), 'shop.orders');
  assert.equal(topicOf('cdc-{coll}_{op}', 'shop', 'orders', 'delete'), 'cdc-orders_delete');
  assert.equal(topicOf('everything', 'shop', 'orders'), 'everything');
  assert.equal(topicOf('{coll}.{coll}', 'shop', '{db}'), '_db_._db_', 'names are not templates');
});

test('an event of a whole database goes to the topic of the database', () => {
  assert.equal(topicOf('{db}.{coll}', 'shop', ''), 'shop');
  assert.equal(topicOf('cdc.{db}-{coll}.{op}', 'shop', '', 'dropDatabase'), 'cdc.shop.dropDatabase');
  assert.equal(topicOf('{coll}', 'shop', ''), '_');
});

test('what Kafka does not take is replaced', () => {
  assert.equal(topicOf('{db}.{coll}', 'shop', 'größe $1/2'), 'shop.gr__e__1_2');
  assert.equal(topicOf('{coll}', 'shop', '日本😀'), '___');
  assert.equal(topicOf('{coll}', 'shop', '.'), '_');
  assert.equal(topicOf('{coll}', 'shop', '..'), '__');
});

test('long names are cut, stay legal and stay different', () => {
  const [a, b] = ['x', 'y'].map((end) => sanitizeTopic(`shop.${'c'.repeat(300)}${end}`));
  assert.equal(a?.length, LONGEST_TOPIC);
  assert.match(a ?? '', TOPIC_NAME);
  assert.notEqual(a, b);
  assert.equal(a, sanitizeTopic(`shop.${'c'.repeat(300)}x`), 'always the same');
});

test('two namespaces that share a topic only because of replaced characters are refused', () => {
  const template = new TopicTemplate('{db}.{coll}');
  template.topicOf({ db: 'shop', coll: 'a b' }, 'insert');
  assert.throws(
    () => template.topicOf({ db: 'shop', coll: 'a$b' }, 'insert'),
    (error) => {
      assert.ok(error instanceof SluiceError);
      assert.equal(error.kind, 'config');
      assert.equal(error.code, 'kafka.topic-collision');
      assert.match(error.message, /"shop\.a b" and "shop\.a\$b".*"shop\.a_b"/);
      return true;
    },
  );
});

test('names that differ in "." and "_" only are refused, as Kafka would', () => {
  const template = new TopicTemplate('{db}.{coll}');
  template.topicOf({ db: 'a_b', coll: 'c' }, 'insert');
  assert.throws(() => template.topicOf({ db: 'a', coll: 'b.c' }, 'insert'), { code: 'kafka.topic-collision' });
});

test('namespaces that share a topic because the template says so are fine', () => {
  const template = new TopicTemplate('{db}');
  assert.equal(template.topicOf({ db: 'shop', coll: 'a$b' }, 'insert'), 'shop');
  assert.equal(template.topicOf({ db: 'shop', coll: 'a b' }, 'insert'), 'shop');
});

test('equal namespaces in different objects, and operations in between, give the same topics', () => {
  const template = new TopicTemplate('{coll}.{op}');
  const namespace = { db: 'shop', coll: 'orders' };
  assert.equal(template.topicOf(namespace, 'insert'), 'orders.insert');
  assert.equal(template.topicOf(namespace, 'delete'), 'orders.delete');
  assert.equal(template.topicOf({ ...namespace }, 'insert'), 'orders.insert');
});

test('a template with other characters or placeholders is no template', () => {
  for (const good of ['{db}.{coll}', 'orders', '{op}']) assert.ok(isTopicTemplate(good), good);
  for (const bad of ['', '{database}', 'a b', 'a/{db}', '{db', '{}']) assert.ok(!isTopicTemplate(bad), bad);
});
