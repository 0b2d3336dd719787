import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Finding } from '../../core/connector.ts';
import { testKafka } from '../../testing/servers/kafka.ts';
import { sinkContext } from '../../testing/sink-writes.ts';
import { uniqueName } from './sink-fixture.ts';
import { checkKafkaSource } from './source-check.ts';
import { createTopics, sourceConfig } from './source-fixture.ts';

const brokers = await testKafka();
const options = { timeout: 300_000 };

const check = (settings: Record<string, unknown>): Promise<readonly Finding[]> =>
  checkKafkaSource(sourceConfig({ brokers, group: uniqueName('group'), ...settings }), sinkContext());

const levels = (findings: readonly Finding[]) => findings.map(({ check: name, level }) => [name, level]);

test('brokers, topics and a group that can be used', options, async () => {
  const start = uniqueName('check');
  await createTopics(brokers, [`${start}.a`, `${start}.b`], { partitions: 3 });
  const findings = await check({ topics: [`${start}.*`] });
  assert.deepEqual(levels(findings), [
    ['kafka.reachable', 'ok'],
    ['kafka.topics', 'ok'],
    ['kafka.group', 'ok'],
  ]);
  assert.match(findings[1]?.message ?? '', /2 topics with 6 partitions/);
});

test('topics that do not exist yet are a warning with what to do', options, async () => {
  const topic = uniqueName('missing');
  const [, named] = await check({ topics: [topic] });
  assert.deepEqual([named?.check, named?.level], ['kafka.topics', 'warning']);
  assert.match(named?.fix ?? '', new RegExp(`--create --topic ${topic}`));
  const [, pattern] = await check({ topics: [`${topic}.*`] });
  assert.match(pattern?.message ?? '', /no topic matches/);
});

test('brokers that do not answer', options, async () => {
  const findings = await check({ brokers: ['127.0.0.1:1'], topics: ['a'] });
  assert.deepEqual(levels(findings), [['kafka.reachable', 'error']]);
});
