/**
 * `npm run example:migration`: the whole of README.md against servers of its own, with every count checked. Prints what a
 * person would see; the exit code is 1 when something is not as it must be.
 */
import { EJSON } from 'bson';
import type { PipelineStatus } from '../../packages/sluice/src/core/status.ts';
import { areEqual, compareCollections } from '../../packages/sluice/src/testing/compare-documents.ts';
import { waitFor } from '../../packages/sluice/src/testing/wait-for.ts';
import * as show from './show.ts';
import { openStage, type Running, type Stage } from './stage.ts';
import { type NewUser, userNumber, writeUntil, writtenUntil } from './users.ts';

const TOPIC = 'test.users';
const SOURCE = 'users';
const CHOSEN = 'users-chosen';
const EVERYTHING = 'users-all';
/** Fields that `workers.yaml` chooses. */
const CHOSEN_FIELDS = { name: 1, email: 1, city: 1 } as const;
const USERS = 100;
const WORKERS = 3;
const PARTITIONS = 3;
const WRITES_AT_LEAST = 300;
/** For machines that have much else to do. */
const WAIT_MS = 120_000;

async function main(): Promise<void> {
  const startedMs = performance.now();
  show.step('Start mongo-source, mongo-target and Kafka');
  await using stage = await openStage();
  show.say(`mongo-source  ${stage.source.uri}`);
  show.say(`mongo-target  ${stage.target.uri}`);
  show.say(`Kafka         ${stage.broker}, new topics with ${PARTITIONS} partitions`);
  await generateUsers(stage);
  const source = await copyToKafka(stage);
  await readTopic(stage);
  const first = await startFirstWorker(stage);
  await addField(stage, first);
  const workers = await scaleUnderWrites(stage, source, first);
  await drain(stage, source, workers);
  await switchOver(stage, [source, ...workers]);
  show.say(`All of it holds (${Math.round((performance.now() - startedMs) / 1000)} s).`);
}

async function generateUsers({ source }: Stage): Promise<void> {
  show.step(`Generate ${USERS} users in ${TOPIC} of mongo-source`);
  await source.users.insertMany(Array.from({ length: USERS }, (_, index) => userNumber(index)));
  show.output(EJSON.stringify(await source.users.findOne(), { relaxed: true }));
  show.checkCount(await source.users.countDocuments(), USERS, 'users in mongo-source');
}

async function copyToKafka(stage: Stage): Promise<Running> {
  show.step('Start the source from the file of the connector: it copies what is there, then follows');
  const source = await stage.startSource();
  await source.until(SOURCE, ({ counts, snapshot }) => counts.delivered >= USERS && snapshot?.endedAtMs !== undefined);
  await stage.showStatus(source);
  const status = await source.until(SOURCE, () => true);
  show.checkCount(status.counts.delivered, USERS, 'records written');
  show.checkCount(status.sinkOffsets.length, PARTITIONS, 'partitions written to');
  return source;
}

async function readTopic(stage: Stage): Promise<void> {
  show.step('Look into the topic');
  show.say('(The first and the last of the lines.)');
  const words = ['tail', '--topic', TOPIC, '--brokers', stage.broker, '--until-end'];
  const { stdout, stderr } = await stage.capture(...words);
  const lines = stdout.trimEnd().split('\n');
  show.output([...lines.slice(0, 3), '…', ...lines.slice(-2), stderr].join('\n'));
  show.checkCount(lines.length, USERS, 'messages in the topic');
  show.check(/end of topic .* \(100 messages\)/.test(stderr), 'the tail says where it ends');
}

async function startFirstWorker(stage: Stage): Promise<Running> {
  show.step('Start a worker: chosen fields into one database of mongo-target, everything into another');
  const worker = await stage.startWorker();
  for (const pipeline of [CHOSEN, EVERYTHING]) await worker.until(pipeline, ({ counts }) => counts.delivered >= USERS);
  await stage.showStatus(worker);
  await checkTargets(stage, USERS);
  show.output(EJSON.stringify(await chosen(stage).findOne(), { relaxed: true }));
  await checkFields(stage);
  return worker;
}

async function addField(stage: Stage, worker: Running): Promise<void> {
  show.step('Insert a user with a field that nobody has had so far, "sex"');
  await stage.source.users.insertOne({ ...userNumber(USERS), sex: 'f' });
  for (const pipeline of [CHOSEN, EVERYTHING]) await worker.until(pipeline, ({ counts }) => counts.delivered > USERS);
  await checkTargets(stage, USERS + 1);
  await checkFields(stage);
  const withSex = await everything(stage).countDocuments({ sex: { $exists: true } });
  show.checkCount(withSex, 1, 'users with "sex" in everything');
  const stdout = await stage.run('schema', EVERYTHING, '--url', worker.url);
  const [, changes = ''] = stdout.split('CHANGED');
  show.check(/\bsex\b/.test(changes), 'the new field is told as a change of the schema');
}

async function scaleUnderWrites(stage: Stage, source: Running, first: Running): Promise<readonly Running[]> {
  show.step(`Scale the workers to ${WORKERS} while the application writes`);
  const stop = new AbortController();
  const writing = writeUntil(stage.source.users, stop.signal);
  try {
    const workers = [first, ...(await Promise.all([stage.startWorker(), stage.startWorker()]))];
    for (const pipeline of [CHOSEN, EVERYTHING]) {
      const spread = async () => {
        const statuses = await Promise.all(workers.map((worker) => worker.status(pipeline)));
        return statuses.every((status) => status?.sourceOffsets.length === PARTITIONS / WORKERS);
      };
      await waitFor(spread, { timeoutMs: WAIT_MS, intervalMs: 100, message: `${pipeline} is spread` });
      const delivers = workers.map((worker) => worker.until(pipeline, ({ counts }) => counts.delivered > 0));
      await Promise.all(delivers);
    }
    await stage.showStatus(...workers);
    show.check(true, `each of the ${WORKERS} workers reads ${PARTITIONS / WORKERS} partition of each pipeline`);
    const enough = USERS + WRITES_AT_LEAST;
    await source.until(SOURCE, ({ counts }) => counts.delivered > enough);
    return workers;
  } finally {
    stop.abort();
    const { inserts, updates, deletes } = await writing;
    show.say(`Writes stopped: ${inserts} inserts, ${updates} updates, ${deletes} deletes meanwhile.`);
  }
}

async function drain(stage: Stage, source: Running, workers: readonly Running[]): Promise<void> {
  show.step('Wait until nothing is behind any more');
  const { t, i } = await writtenUntil(stage.source.db);
  await source.until(SOURCE, ({ acknowledged }) => {
    return acknowledged !== undefined && (acknowledged.t > t || (acknowledged.t === t && acknowledged.i >= i));
  });
  const written = offsetsOf([await source.until(SOURCE, () => true)], 'sinkOffsets');
  for (const pipeline of [CHOSEN, EVERYTHING]) {
    const done = async () => {
      const statuses = await Promise.all(workers.map((worker) => worker.status(pipeline)));
      const committed = offsetsOf(statuses, 'sourceOffsets');
      return [...written].every(([part, end]) => (committed.get(part) ?? 0) >= end);
    };
    await waitFor(done, { timeoutMs: WAIT_MS, intervalMs: 100, message: `${pipeline} has read everything` });
  }
  await stage.showStatus(source, ...workers);
  const all = await Promise.all([
    source.status(SOURCE),
    ...workers.flatMap((worker) => [CHOSEN, EVERYTHING].map((each) => worker.status(each))),
  ]);
  show.check(
    all.every((status) => status?.lagEvents === 0),
    'lag 0 in the source and in every worker',
  );
  show.checkCount(
    all.reduce((sum, status) => sum + (status?.counts.deadLettered ?? 1), 0),
    0,
    'dead letters',
  );
}

async function switchOver(stage: Stage, running: readonly Running[]): Promise<void> {
  show.step('Compare, stop the source and the workers, and switch over');
  await checkTargets(stage, await stage.source.users.countDocuments());
  await checkFields(stage);
  const differences = await compareCollections(
    { uri: stage.source.uri, db: 'test', coll: 'users' },
    { uri: stage.target.uri, db: 'everything', coll: 'users' },
  );
  show.check(areEqual(differences), 'everything: every document is equal to its source, byte for byte');
  const [expected, found] = await Promise.all(
    [stage.source.users, chosen(stage)].map((users) =>
      users.find({}, { projection: CHOSEN_FIELDS }).sort({ _id: 1 }).toArray(),
    ),
  );
  show.check(EJSON.stringify(expected) === EJSON.stringify(found), 'chosen: every chosen field is equal to its source');
  const exits = await Promise.all(running.map(({ process: child }) => child.end('SIGTERM')));
  for (const [index, { code }] of exits.entries()) {
    show.checkCount(code ?? -1, 0, `${running[index]?.name} stopped, exit code`);
  }
  show.say('From here on the application writes to mongo-target.');
}

/** Both databases of the target have so many users. */
async function checkTargets(stage: Stage, expected: number): Promise<void> {
  show.checkCount(await chosen(stage).countDocuments(), expected, 'users in chosen');
  show.checkCount(await everything(stage).countDocuments(), expected, 'users in everything');
}

/** The chosen database has the chosen fields and no others. */
async function checkFields(stage: Stage): Promise<void> {
  const wanted = ['_id', ...Object.keys(CHOSEN_FIELDS)];
  const others = {
    $expr: { $not: { $setIsSubset: [{ $map: { input: { $objectToArray: '$$ROOT' }, in: '$$this.k' } }, wanted] } },
  };
  show.checkCount(
    await chosen(stage).countDocuments(others),
    0,
    `users in chosen with other fields than ${wanted.join(', ')}`,
  );
  const withAge = await everything(stage).countDocuments({ age: { $exists: true } });
  show.checkCount(withAge, await everything(stage).countDocuments(), 'users in everything with "age"');
}

const chosen = ({ target }: Stage) => target.db('chosen').collection<NewUser>('users');
const everything = ({ target }: Stage) => target.db('everything').collection<NewUser>('users');

/** Offsets of all parts in these statuses together. */
function offsetsOf(
  statuses: readonly (PipelineStatus | undefined)[],
  kind: 'sourceOffsets' | 'sinkOffsets',
): ReadonlyMap<string, number> {
  return new Map(
    statuses.flatMap((status) => (status?.[kind] ?? []).map(({ part, offset }) => [part, offset] as const)),
  );
}

try {
  await main();
} catch (error) {
  process.stderr.write(`\n${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
  process.exitCode = 1;
}
