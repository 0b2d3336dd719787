/**
 * `npm test`: runs the tests of all packages, with one mongod, Kafka, NATS, OpenSearch and PostgreSQL for the whole run.
 * Fails when a test fails or is skipped, and when nothing runs. Arguments: parts of paths to run less, `--unit` for the tests without servers.
 */
import { dirname, join, relative } from 'node:path';
import { finished } from 'node:stream/promises';
import { run } from 'node:test';
import { spec } from 'node:test/reporters';
import { startKafka } from '../packages/sluice/src/testing/servers/kafka.ts';
import { startMongo } from '../packages/sluice/src/testing/servers/mongo.ts';
import { startNats } from '../packages/sluice/src/testing/servers/nats.ts';
import { startPostgres } from '../packages/sluice/src/testing/servers/postgres.ts';
import { startSearch } from '../packages/sluice/src/testing/servers/search.ts';
import { findTestFiles, type NeededServers, neededServers, parseSelection, selectFiles } from './test-files.ts';
import { TestOutcome } from './test-outcome.ts';

const ROOT = dirname(import.meta.dirname);
/** Two files at a time: the machine it must fit has two cores, and the servers run on them too. */
const CONCURRENCY = 2;
const TEST_LIMIT_MS = 600_000;
/** Ends a run in which a file never exits, because something it opened is still open: four times what two cores need. */
const RUN_LIMIT_MS = 85 * 60_000;

async function main(): Promise<number> {
  const files = selectFiles(findTestFiles(ROOT), parseSelection(process.argv.slice(2)));
  if (files.length === 0) {
    console.error('no test file fits');
    return 1;
  }
  await using servers = new AsyncDisposableStack();
  await startServers(neededServers(files), servers);
  return (await runFiles(files)) ? 0 : 1;
}

/** Starts what is needed and tells the tests by the environment; what the environment names already is left alone. */
async function startServers(needed: NeededServers, servers: AsyncDisposableStack): Promise<void> {
  const starting: Promise<void>[] = [];
  if (needed.mongo && !process.env['SLUICE_TEST_MONGO']) {
    starting.push(
      startMongo().then((mongo) => {
        process.env['SLUICE_TEST_MONGO'] = servers.use(mongo).uri;
      }),
    );
  }
  if (needed.kafka && !process.env['SLUICE_TEST_KAFKA']) {
    starting.push(
      startKafka().then((kafka) => {
        process.env['SLUICE_TEST_KAFKA'] = servers.use(kafka).brokers.join(',');
      }),
    );
  }
  if (needed.nats && !process.env['SLUICE_TEST_NATS']) {
    starting.push(
      startNats().then((nats) => {
        process.env['SLUICE_TEST_NATS'] = servers.use(nats).servers.join(',');
      }),
    );
  }
  if (needed.search && !process.env['SLUICE_TEST_OPENSEARCH']) {
    starting.push(
      startSearch().then((search) => {
        process.env['SLUICE_TEST_OPENSEARCH'] = servers.use(search).url;
      }),
    );
  }
  if (needed.postgres && !process.env['SLUICE_TEST_POSTGRES']) {
    starting.push(
      startPostgres().then((postgres) => {
        process.env['SLUICE_TEST_POSTGRES'] = servers.use(postgres).uri;
      }),
    );
  }
  const outcomes = await Promise.allSettled(starting);
  for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason;
}

/** Prints node's report on standard output; true when every test ran and passed. */
async function runFiles(files: readonly string[]): Promise<boolean> {
  const outcome = new TestOutcome();
  let failed = false;
  const events = run({
    files: files.map((file) => join(ROOT, file)),
    cwd: ROOT,
    concurrency: CONCURRENCY,
    timeout: TEST_LIMIT_MS,
    signal: AbortSignal.timeout(RUN_LIMIT_MS),
  });
  for (const kind of ['test:pass', 'test:fail'] as const) {
    events.on(kind, ({ name, nesting, file, skip, todo }) => {
      const passed = kind === 'test:pass';
      failed ||= !passed;
      outcome.add({ name, nesting, passed, file: file === undefined ? undefined : relative(ROOT, file), skip, todo });
    });
  }
  const report = events.compose(new spec());
  report.pipe(process.stdout);
  await finished(report);
  const complaints = outcome.complaints();
  for (const complaint of complaints) console.error(`✖ ${complaint}`);
  return !failed && complaints.length === 0;
}

process.exitCode = await main();
