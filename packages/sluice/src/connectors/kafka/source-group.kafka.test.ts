import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { after, before, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { type KafkaServer, startKafka } from '../../testing/servers/kafka.ts';
import { waitFor } from '../../testing/wait-for.ts';
import { KafkaClient } from './client.ts';
import { kafkaConnectionConfig } from './config.ts';
import { GroupCoordinator } from './group-coordinator.ts';
import { GROUP_DESCRIBE, GROUP_HEARTBEAT } from './protocol.ts';
import { uniqueName } from './sink-fixture.ts';
import {
  addPartitions,
  createTopics,
  deleteTopics,
  numbered,
  produce,
  type Seen,
  startWorker,
  untilServed,
  type Worker,
} from './source-fixture.ts';

const options = { timeout: 600_000 };
const LIMIT = { timeoutMs: 90_000 };
const HEARTBEAT_MS = 1000;
/** Shorter than the default, and so long that a busy machine does not end it. */
const SESSION_MS = 10_000;
const DIE_WITH_PARENT = `${import.meta.dirname}/../../testing/die-with-parent.ts`;
const signal = new AbortController().signal;

let kafka: KafkaServer;

before(async () => {
  kafka = await startKafka({
    config: {
      'group.consumer.heartbeat.interval.ms': String(HEARTBEAT_MS),
      'group.consumer.session.timeout.ms': String(SESSION_MS),
    },
  });
}, options);

after(() => kafka[Symbol.asyncDispose]());

async function prepare(partitions: number, messages = numbered(0, 0)) {
  const topic = uniqueName('source');
  await createTopics(kafka.brokers, [topic], { partitions });
  if (messages.length > 0) await produce(kafka.brokers, topic, messages);
  return { topic, settings: { brokers: kafka.brokers, topics: [topic], group: uniqueName('group') } };
}

function partsOf(topic: string, ...partitions: readonly number[]): readonly string[] {
  return partitions.map((partition) => `${topic}/${partition}`);
}

async function owns(worker: Worker, count: number): Promise<void> {
  await waitFor(() => worker.error !== undefined || worker.parts.length === count, {
    ...LIMIT,
    message: `${count} partitions are owned`,
  });
}

async function withCoordinator<T>(group: string, work: (coordinator: GroupCoordinator) => Promise<T>): Promise<T> {
  await using client = await KafkaClient.open(kafkaConnectionConfig.parse({ brokers: [...kafka.brokers] }), signal);
  return await work(new GroupCoordinator(client, group));
}

/** The members of a group, with how many partitions the coordinator leaves to each. */
async function membersWithPartitions(group: string): Promise<ReadonlyMap<string, number>> {
  return withCoordinator(group, async (coordinator) => {
    const answer = await coordinator.ask(signal, (link) =>
      link.api(GROUP_DESCRIBE).async(link.connection, [group], false),
    );
    return new Map(
      answer.groups.flatMap(({ members }) =>
        members.map(({ memberId, assignment: { topicPartitions } }) => [
          memberId,
          topicPartitions.flatMap(({ partitions }) => partitions).length,
        ]),
      ),
    );
  });
}

async function membersOf(group: string): Promise<readonly string[]> {
  return [...(await membersWithPartitions(group)).keys()];
}

function failureOf(work: () => void): unknown {
  try {
    work();
  } catch (error) {
    return error;
  }
  return undefined;
}

/** Takes every member out of the group behind its back, as the end of a session does. */
async function expelAll(group: string): Promise<void> {
  for (const member of await membersOf(group)) {
    await withCoordinator(group, (coordinator) =>
      coordinator.ask(signal, (link) =>
        link.api(GROUP_HEARTBEAT).async(link.connection, group, member, -1, null, null, -1, null, null, null, []),
      ),
    );
  }
}

test('a revoked partition goes to the other worker once it is drained and committed', options, async () => {
  const { topic, settings } = await prepare(2);
  for (const partition of [0, 1]) {
    await produce(
      kafka.brokers,
      topic,
      numbered(0, 20).map((each) => ({ ...each, partition })),
    );
  }
  await using first = await startWorker({ settings, acknowledge: false });
  await waitFor(() => first.seen.length === 40, { ...LIMIT, message: 'both partitions are read' });
  await using second = await startWorker({ settings });
  // As long as something is in flight, the partition stays where it is; what belongs to the other one goes on.
  const asked = async () => {
    const counts = [...(await membersWithPartitions(settings.group)).values()].toSorted((a, b) => a - b);
    return counts.length === 2 && counts[0] === 0 && counts[1] === 1;
  };
  await waitFor(asked, { ...LIMIT, message: 'the coordinator asks the first one for a partition' });
  // That is known here with the answer to its heartbeat, which is on its way.
  await delay(3 * HEARTBEAT_MS);
  await produce(kafka.brokers, topic, [
    { value: 'more 0', partition: 0 },
    { value: 'more 1', partition: 1 },
  ]);
  await waitFor(() => first.seen.length === 41, { ...LIMIT, message: 'the partition that stays is read on' });
  await delay(3 * HEARTBEAT_MS);
  assert.deepEqual([second.parts, second.seen], [[], []]);
  assert.deepEqual(first.parts, partsOf(topic, 0, 1));
  first.acknowledge();
  await owns(second, 1);
  await waitFor(() => second.seen.length === 1, { ...LIMIT, message: 'the new owner reads on' });
  assert.equal(first.error, undefined);
  const values = new Set([...first.values.slice(40), ...second.values]);
  assert.deepEqual(values, new Set(['more 0', 'more 1']));
  // That the partition came over is told with the first batch behind it, which may be a heartbeat.
  const readOn = second.batches.findIndex(({ events }) => events.length > 0);
  assert.ok(second.batches.slice(0, readOn + 1).some(({ takenOver }) => takenOver === true));
});

test(
  'one worker, then three, then one again under load: nothing lost, nothing twice, each key in order',
  options,
  async () => {
    const { topic, settings } = await prepare(6);
    const log: Seen[] = [];
    const write = async (messages: readonly Seen[]) => {
      await delay(10);
      log.push(...messages);
    };
    const start = () => startWorker({ settings, write });
    let produced = 0;
    const enough = new AbortController();
    const load = (async () => {
      while (!enough.signal.aborted) {
        await produce(kafka.brokers, topic, numbered(produced, produced + 100, 23));
        produced += 100;
        await delay(50);
      }
    })();
    await using cleanup = new AsyncDisposableStack();
    cleanup.defer(() => {
      enough.abort();
      return load;
    });
    await using first = await start();
    await waitFor(() => log.length > 200, { ...LIMIT, message: 'the first worker reads' });
    {
      await using second = await start();
      await using third = await start();
      await waitFor(() => [first, second, third].every(({ parts }) => parts.length === 2), {
        ...LIMIT,
        message: 'three workers share the partitions',
      });
      await waitFor(() => second.seen.length > 0 && third.seen.length > 0, { ...LIMIT, message: 'all three read' });
      assert.deepEqual([second.error, third.error], [undefined, undefined]);
    }
    await owns(first, 6);
    enough.abort();
    await load;
    const isRead = () => first.error !== undefined || log.length >= produced;
    await waitFor(isRead, { ...LIMIT, message: 'everything is read' });
    assert.equal(first.error, undefined);
    assert.equal(log.length, produced);
    for (const [key, messages] of Map.groupBy(log, (message) => message.key)) {
      const numbers = messages.map(({ value }) => Number(value));
      assert.deepEqual(
        numbers,
        numbers.toSorted((a, b) => a - b),
        `order of ${key}`,
      );
    }
  },
);

test('a worker whose sink stalls for longer than a session stays a member', options, async () => {
  const { settings } = await prepare(1, numbered(0, 10));
  const stalled = Promise.withResolvers<void>();
  await using worker = await startWorker({ settings, write: () => stalled.promise });
  await waitFor(() => worker.seen.length === 10, { ...LIMIT, message: 'the sink has its batch' });
  const members = await membersOf(settings.group);
  await using other = await startWorker({ settings });
  await delay(1.5 * SESSION_MS);
  assert.ok((await membersOf(settings.group)).includes(members[0] ?? ''));
  stalled.resolve();
  await waitFor(() => worker.isCaughtUp || other.isCaughtUp, { ...LIMIT, message: 'it goes on' });
  assert.deepEqual([worker.error, other.seen], [undefined, []]);
});

test('a worker that is taken out with messages in flight stops and commits none of them', options, async () => {
  const { settings } = await prepare(2, numbered(0, 10));
  {
    await using worker = await startWorker({ settings, acknowledge: false });
    await waitFor(() => worker.seen.length === 10, { ...LIMIT, message: 'it has messages in flight' });
    await expelAll(settings.group);
    await waitFor(() => worker.error, { ...LIMIT, message: 'it has noticed' });
    const { kind, code } = worker.error as Record<string, string>;
    assert.deepEqual([kind, code], ['transient', 'kafka.membership-lost']);
    // Being a member again gives nothing of it back.
    await waitFor(async () => (await membersOf(settings.group)).length === 1, { ...LIMIT, message: 'it is back' });
    assert.throws(() => worker.source.ensureOwned?.(), { code: 'kafka.membership-lost' });
    worker.acknowledge();
  }
  await using next = await startWorker({ settings });
  await waitFor(() => next.seen.length === 10, { ...LIMIT, message: 'the next one reads them again' });
});

test('a process that stood still while others took over writes nothing more of what it had', options, async () => {
  // More than it writes before it is stopped, however late that is.
  const total = 3000;
  const { settings } = await prepare(1, numbered(0, total));
  const script = `${import.meta.dirname}/worker-process-fixture.ts`;
  const child = spawn(process.execPath, ['--import', DIE_WITH_PARENT, script, JSON.stringify(settings)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await using cleanup = new AsyncDisposableStack();
  cleanup.defer(() => void child.kill('SIGKILL'));
  let said = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    said += text;
  });
  await waitFor(() => said.split('\n').length > 10, { ...LIMIT, message: 'it writes' });
  child.kill('SIGSTOP');
  await using next = await startWorker({ settings });
  await waitFor(() => next.seen.length === total, { ...LIMIT, message: 'another one has taken over' });
  const before = said;
  // Not `exit`: then its last words may not be read yet.
  const closed = once(child, 'close');
  child.kill('SIGCONT');
  await closed;
  assert.equal(said.slice(before.length), 'ended kafka.membership-lost\n');
  assert.ok(before.split('\n').length < total);
});

test('a worker that is taken out with nothing in flight joins again', options, async () => {
  const { topic, settings } = await prepare(2, numbered(0, 10));
  await using worker = await startWorker({ settings });
  await waitFor(() => worker.seen.length === 10, { ...LIMIT, message: 'it has read' });
  await worker.commit();
  await expelAll(settings.group);
  await waitFor(async () => (await membersOf(settings.group)).length === 1, { ...LIMIT, message: 'it is back' });
  await owns(worker, 2);
  await produce(kafka.brokers, topic, numbered(10, 15));
  await waitFor(() => worker.seen.length === 15, { ...LIMIT, message: 'it reads on' });
  assert.equal(worker.error, undefined);
});

test(
  'what is in flight for longer than the rebalance time-out goes to the other worker regardless',
  options,
  async () => {
    const { settings } = await prepare(2, numbered(0, 20));
    const hurried = { ...settings, rebalanceTimeout: '2s' };
    await using cleanup = new AsyncDisposableStack();
    const first = cleanup.use(await startWorker({ settings: hurried, acknowledge: false }));
    await waitFor(() => first.seen.length === 20, { ...LIMIT, message: 'everything is in flight' });
    await using second = await startWorker({ settings: hurried });
    await waitFor(() => first.error !== undefined, { ...LIMIT, message: 'the first one is taken out' });
    assert.equal((first.error as Record<string, string>)['code'], 'kafka.membership-lost');
    // It joins again at once, and would get a partition back that nobody reads here any more.
    await cleanup.disposeAsync();
    await waitFor(() => second.seen.length === 20, { ...LIMIT, message: 'the second one reads it again' });
  },
);

test('a topic that is deleted and created anew is read from its first message', options, async () => {
  const { topic, settings } = await prepare(1, numbered(0, 10));
  await using worker = await startWorker({ settings });
  await waitFor(() => worker.seen.length === 10, { ...LIMIT, message: 'it has read' });
  await worker.commit();
  await deleteTopics(kafka.brokers, [topic]);
  await createTopics(kafka.brokers, [topic]);
  await produce(kafka.brokers, topic, numbered(20, 25));
  await waitFor(() => worker.error !== undefined || worker.seen.length >= 15, { ...LIMIT, message: 'it reads on' });
  assert.equal(worker.error, undefined);
  assert.deepEqual(worker.values.slice(10), ['20', '21', '22', '23', '24']);
  assert.equal(new Set(worker.seen.map(({ place }) => place)).size, 15);
});

test('partitions that are added later are read from their first message, wherever the start is', options, async () => {
  const { topic, settings } = await prepare(1, numbered(0, 10));
  await using worker = await startWorker({ settings: { ...settings, startAt: 'latest' } });
  await owns(worker, 1);
  await addPartitions(kafka.brokers, topic, 2);
  await produce(kafka.brokers, topic, [{ value: 'new', partition: 1 }]);
  await waitFor(() => worker.error !== undefined || worker.seen.length > 0, { ...LIMIT, message: 'it is read' });
  assert.deepEqual([worker.error, worker.values], [undefined, ['new']]);
});

test('a broker that goes away and comes back is waited for, and nothing is written meanwhile', options, async () => {
  const { topic, settings } = await prepare(2, numbered(0, 10));
  await using worker = await startWorker({ settings });
  await waitFor(() => worker.seen.length === 10, { ...LIMIT, message: 'it has read' });
  await worker.commit();
  const ensureOwned = () => worker.source.ensureOwned?.();
  const isCertain = () => failureOf(ensureOwned) === undefined;
  await waitFor(isCertain, { ...LIMIT, message: 'a heartbeat was answered' });
  await kafka.stop();
  await waitFor(() => failureOf(ensureOwned), { ...LIMIT, message: 'it is uncertain what may be written' });
  assert.throws(ensureOwned, { kind: 'transient', code: 'kafka.membership-lost' });
  await kafka.start();
  await untilServed(kafka.brokers, topic, 2);
  await produce(kafka.brokers, topic, numbered(10, 15));
  await waitFor(() => worker.error !== undefined || worker.seen.length >= 15, { ...LIMIT, message: 'it reads on' });
  assert.equal(worker.error, undefined);
  await waitFor(isCertain, { ...LIMIT, message: 'a heartbeat was answered again' });
  assert.equal(new Set(worker.values).size, 15);
});

test('a worker with a name of its own gets its partitions back after a restart', options, async () => {
  const { topic, settings } = await prepare(4, numbered(0, 20));
  const named = (groupInstanceId: string) => startWorker({ settings: { ...settings, groupInstanceId } });
  await using second = await named('two');
  await using cleanup = new AsyncDisposableStack();
  const first = cleanup.use(await named('one'));
  await owns(first, 2);
  await owns(second, 2);
  const before = first.parts;
  await cleanup.disposeAsync();
  await using again = await named('one');
  await owns(again, 2);
  assert.deepEqual(again.parts, before);
  await produce(kafka.brokers, topic, numbered(20, 40));
  const all = () => new Set([...first.values, ...second.values, ...again.values]);
  await waitFor(() => all().size === 40, { ...LIMIT, message: 'everything is read' });
});
