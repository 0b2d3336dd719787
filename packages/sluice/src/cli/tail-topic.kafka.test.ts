import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, test } from 'node:test';
import { createTopics, deleteTopics } from '../connectors/kafka/source-fixture.ts';
import { kafkajsClient } from '../testing/kafkajs-client.ts';
import { testKafka } from '../testing/servers/kafka.ts';
import { runSluice, SluiceProcess, writeConfig } from '../testing/sluice-process.ts';
import { tempDir } from '../testing/temp-dir.ts';
import { waitFor } from '../testing/wait-for.ts';

const LIMIT = { timeout: 300_000 };
const topic = `shop.orders-${randomUUID().slice(0, 8)}`;
const DELETED = JSON.stringify({
  _id: { _data: '82691F0000000000012B0229296E04' },
  operationType: 'delete',
  clusterTime: { $timestamp: { t: 1_763_640_000, i: 1 } },
  ns: { db: 'shop', coll: 'orders' },
  documentKey: { _id: 1 },
});
let brokers = '';

before(async () => {
  brokers = (await testKafka()).join(',');
  await createTopics(brokers.split(','), [topic], { partitions: 2 });
  await produce(
    { key: '{"_id": 1}', value: '{"_id": 1, "status": "new"}', partition: 0 },
    { key: '{"_id": 1}', value: DELETED, partition: 0 },
    { key: 'plain', value: 'no JSON \u001b[31m', partition: 1 },
    { key: 'bytes', value: Buffer.from([0xff, 0x00]), partition: 1 },
  );
});

after(async () => {
  await deleteTopics(brokers.split(','), [topic]);
});

async function produce(...messages: { key: string; value: string | Buffer; partition: number }[]): Promise<void> {
  const producer = kafkajsClient({ brokers: brokers.split(',') }).producer();
  await producer.connect();
  await producer.send({ topic, messages });
  await producer.disconnect();
}

const tail = (...args: string[]) => runSluice(['tail', '--topic', topic, '--brokers', brokers, ...args]);
const END = `end of topic ${topic}: partition 0 at 2, partition 1 at 2 (4 messages)\n`;

test('a line for each message, decoded or as it is, and where the topic ends', LIMIT, async () => {
  const { code, stdout, stderr } = await tail('--until-end');
  assert.deepEqual([code, stderr], [0, END]);
  // Times differ; partitions come in any order.
  const lines = stdout
    .trimEnd()
    .split('\n')
    .map((line) => line.replace(/ +[\d:.]+ /, ' '))
    .sort();
  const [, db = '', coll = ''] = /^(.*?)\.(.*)$/.exec(topic) ?? [];
  assert.match(lines[0] ?? '', new RegExp(`^0@0 \\w+ +${db}\\.${coll} 1 +status: "new"$`));
  assert.match(lines[1] ?? '', /^0@1 delete +shop\.orders 1$/);
  assert.equal(lines[2], '1@0 message plain  no JSON \\u001b[31m');
  assert.match(lines[3] ?? '', /^1@1 message bytes {2}/);
  assert.equal(lines.length, 4);
});

test('--json shows the messages as they are, --format as records, and says what has no such form', LIMIT, async () => {
  const [json, change] = await Promise.all([
    tail('--until-end', '--json', '-q'),
    tail('--until-end', '--format', 'change'),
  ]);
  assert.deepEqual([json.code, json.stderr], [0, '']);
  const messages = json.stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>);
  const deleted = messages.find(({ partition, offset }) => partition === 0 && offset === 1);
  const { timestamp, ...rest } = deleted ?? {};
  assert.deepEqual(rest, { topic, partition: 0, offset: 1, key: '{"_id": 1}', value: DELETED, headers: {} });
  assert.match(String(timestamp), /^\d{4}-.*Z$/);
  const bytes = messages.find(({ key }) => key === 'bytes');
  assert.deepEqual([bytes?.['value'], bytes?.['valueBase64']], [undefined, '/wA=']);
  assert.equal(change.code, 0);
  assert.match(change.stdout, /"operationType":"delete"/);
  assert.equal(change.stderr.match(/not shown/g)?.length, 2, change.stderr);
});

test('--limit ends it, --from now shows only what comes, and it follows until Ctrl-C', LIMIT, async () => {
  const limited = await tail('--limit', '1', '-q');
  assert.deepEqual([limited.code, limited.stdout.trimEnd().split('\n').length, limited.stderr], [0, 1, '']);
  const timed = await tail('--from', 'now', '--for', '1s', '-q');
  assert.deepEqual([timed.code, timed.stdout], [0, '']);
  await using following = new SluiceProcess(['tail', '--topic', topic, '--brokers', brokers, '--from', 'now']);
  const wait = { timeoutMs: 60_000, message: 'it says where the topic ends' };
  await waitFor(() => following.stderr === END.replace('(4 messages)', '(0 messages)'), wait);
  await produce({ key: 'k', value: 'later', partition: 1 });
  const isShown = () => following.stdout !== '' && following.stderr.endsWith('partition 1 at 3 (1 message)\n');
  await waitFor(isShown, wait);
  assert.match(following.stdout, /^1@2 .* message k {2}later\n$/);
  assert.deepEqual(await following.end('SIGINT'), { code: 0, signal: null });
});

test('brokers come from the pipeline: of one source or sink, or of all that have the same', LIMIT, async () => {
  await using directory = await tempDir('tail');
  const kafka = { brokers: brokers.split(',') };
  const reader = { source: { kafka: { ...kafka, topics: [topic] } }, sink: { stdout: {} } };
  const writer = { source: { mongodb: { uri: 'mongodb://localhost/?replicaSet=r' } }, sink: { kafka } };
  const other = { ...reader, source: { kafka: { brokers: ['192.0.2.1:9092'], topics: [topic] } } };
  const same = await writeConfig(directory.path, { version: 1, pipelines: { reader, writer } });
  const without = await runSluice(['tail', '--topic', topic, '--limit', '1', '-q', '-c', same]);
  assert.deepEqual([without.code, without.stdout.split('\n').length], [0, 2], without.stderr);
  const different = await writeConfig(directory.path, { version: 1, pipelines: { reader, writer, other } });
  const which = await runSluice(['tail', '--topic', topic, '--limit', '1', '-c', different]);
  assert.equal(which.code, 2);
  assert.match(which.stderr, /which pipeline\?.*reader, writer, other/);
  const named = await runSluice(['tail', 'writer', '--topic', topic, '--limit', '1', '-q', '-c', different]);
  assert.equal(named.code, 0, named.stderr);
});

test('what does not go together is refused before anything is read', LIMIT, async () => {
  const cases = [
    [['--topic', 'a.*', '--brokers', 'x'], /is a pattern/],
    [['--topic', 'a b', '--brokers', 'x'], /letters, digits/],
    [['--topic', 'a', '--brokers', 'x', '--from', 'yesterday'], /--from: must be a time/],
    [['--topic', 'a', '--brokers', 'x', '--uri', 'mongodb://x'], /do not go with --topic/],
    [['pipeline', '--topic', 'a', '--brokers', 'x'], /not both/],
    [['--brokers', 'x'], /goes with --topic/],
    [['--until-end'], /goes with --topic/],
  ] as const;
  const check = async ([args, message]: (typeof cases)[number]) => {
    const { code, stderr } = await runSluice(['tail', ...args]);
    assert.equal(code, 2, args.join(' '));
    assert.match(stderr, message);
  };
  await Promise.all(cases.map(check));
});
