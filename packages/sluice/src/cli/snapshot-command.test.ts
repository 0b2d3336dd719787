import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { type TestContext, test } from 'node:test';
import { SluiceError } from '../core/failure.ts';
import { silentLogger } from '../core/logger.ts';
import type { SnapshotCommand, SnapshotStatus } from '../core/snapshot.ts';
import type { PipelineStatus } from '../core/status.ts';
import { type HttpEndpoint, startHttp } from '../ops/http.ts';
import { createMetrics } from '../ops/metrics.ts';
import { freePorts } from '../testing/servers/free-port.ts';
import { runSluice, SluiceProcess } from '../testing/sluice-process.ts';
import { testSnapshot, testStatus } from '../testing/statuses.ts';
import { waitFor } from '../testing/wait-for.ts';

/*
 * `sluice snapshot` as a process of its own, against a real endpoint whose pipeline is made up.
 */

const TOKEN = 'correct-horse-battery';
const LIMIT = { timeout: 300_000 };

/** A pipeline whose status a test changes as it likes. */
class FakePipeline {
  readonly commands: SnapshotCommand[] = [];
  status: PipelineStatus = testStatus();
  refusal: SluiceError | undefined;
  /** How often somebody asked for the status. */
  looks = 0;
  #http: HttpEndpoint | undefined;

  get url(): string {
    return this.#http?.url ?? '';
  }

  get snapshot(): SnapshotStatus | undefined {
    return this.status.snapshot;
  }

  show(snapshot: Partial<SnapshotStatus>, more: Partial<PipelineStatus> = {}): void {
    this.status = testStatus({ ...more, snapshot: testSnapshot({ reason: 'on-demand', ...snapshot }) });
  }

  async listen(t: TestContext, port = 0): Promise<void> {
    this.#http = await startHttp({
      host: '127.0.0.1',
      port,
      token: TOKEN,
      pipelines: () => {
        this.looks += 1;
        return [this.status];
      },
      control: async (_pipeline, command) => {
        if (this.refusal !== undefined) throw this.refusal;
        this.commands.push(command);
        if (this.snapshot === undefined) this.show({ rows: 0, percent: 0 });
        return this.snapshot as SnapshotStatus;
      },
      metrics: createMetrics({ version: '1.2.3', processMetrics: false }),
      logger: silentLogger,
    });
    t.after(() => this.close());
  }

  async close(): Promise<void> {
    const http = this.#http;
    this.#http = undefined;
    await http?.[Symbol.asyncDispose]();
  }

  args(...args: string[]): string[] {
    return ['snapshot', 'orders', '--url', this.url, ...args];
  }
}

/** Listens until one connection has come, and breaks it. */
async function refuseOnce(port: number): Promise<void> {
  const server = createServer((socket) => socket.destroy());
  await once(server.listen(port, '127.0.0.1'), 'listening');
  await once(server, 'connection');
  await new Promise((resolve) => server.close(resolve));
}

const options = { env: { SLUICE_TOKEN: TOKEN, SLUICE_CONFIG: '' } };

async function fakePipeline(t: TestContext, port = 0): Promise<FakePipeline> {
  const fake = new FakePipeline();
  await fake.listen(t, port);
  return fake;
}

test('a snapshot is started and followed until it is complete', LIMIT, async (t) => {
  const fake = await fakePipeline(t);
  const filter = '{"status":"open"}';
  await using child = new SluiceProcess(fake.args('--collections', 'shop.*', '--filter', filter), options);
  await waitFor(() => child.stderr.includes('copying'), { timeoutMs: 60_000, message: 'progress is shown' });
  assert.match(child.stderr, /^orders: snapshot on demand copying {2}0 % {2}0 of about 1,000,000 rows/);
  assert.equal(child.stdout, '');
  fake.show({ state: 'completed', rows: 12, endedAtMs: Date.now() });
  assert.deepEqual(await child.exit, { code: 0, signal: null }, child.stderr);
  assert.match(child.stdout, /^orders: snapshot on demand completed .* 12 rows copied of 2 collections\n$/);
  assert.deepEqual(fake.commands, [{ action: 'start', collections: ['shop.*'], match: filter }]);
});

test('with --json the end is one object, with --quiet nothing else is said', LIMIT, async (t) => {
  const fake = await fakePipeline(t);
  await using child = new SluiceProcess(fake.args('--json', '-q'), options);
  await waitFor(() => fake.commands.length > 0, { timeoutMs: 60_000, message: 'it is started' });
  fake.show({ state: 'cancelled', endedAtMs: Date.now() });
  assert.equal((await child.exit).code, 4, 'somebody cancelled it');
  const { ok, result } = JSON.parse(child.stdout) as { ok: boolean; result: { snapshot: SnapshotStatus } };
  assert.deepEqual([ok, result.snapshot.state, child.stderr], [false, 'cancelled', '']);
});

test('Ctrl-C ends the following, not the snapshot, and says so', LIMIT, async (t) => {
  const fake = await fakePipeline(t);
  await using child = new SluiceProcess(fake.args(), options);
  await waitFor(() => child.stderr.includes('copying'), { timeoutMs: 60_000, message: 'progress is shown' });
  assert.deepEqual(await child.end('SIGINT'), { code: 130, signal: null });
  assert.match(
    child.stderr,
    /not followed any more; the snapshot goes on: .*"sluice snapshot orders --cancel" ends it/,
  );
  assert.equal(fake.commands.length, 1, 'nothing was cancelled');
});

test('a process that is started again is waited for; a pipeline that has failed is not', LIMIT, async (t) => {
  // Not one of those that outgoing connections take meanwhile.
  const [port = 0] = await freePorts(1);
  const fake = await fakePipeline(t, port);
  await using child = new SluiceProcess(fake.args(), options);
  await waitFor(() => child.stderr.includes('copying'), { timeoutMs: 60_000, message: 'progress is shown' });
  await fake.close();
  await refuseOnce(port);
  fake.show({}, { state: 'backing-off' });
  await fake.listen(t, port);
  const looks = fake.looks;
  await waitFor(() => fake.looks > looks, { timeoutMs: 60_000, message: 'it looks again' });
  const error = {
    kind: 'position-lost',
    code: 'mongodb.position-lost',
    message: 'gone',
    hint: undefined,
    atMs: 0,
  } as const;
  fake.show({}, { state: 'failed', error });
  assert.equal((await child.exit).code, 3);
  assert.match(child.stderr, /error: the pipeline "orders" has failed before .*: gone \(mongodb\.position-lost\)/);
});

test('without waiting, and for the other commands, it says how the snapshot is', LIMIT, async (t) => {
  const fake = await fakePipeline(t);
  const started = await runSluice(fake.args('--no-wait'), options);
  assert.deepEqual([started.code, started.stderr], [0, '']);
  assert.match(started.stdout, /^snapshot on demand copying {2}0 %/);
  fake.show({ state: 'paused' });
  for (const command of ['--pause', '--resume', '--cancel']) {
    const { code, stdout } = await runSluice(fake.args(command), options);
    assert.equal(code, 0);
    assert.match(stdout, /^snapshot on demand paused {2}43 %/);
  }
  const actions = fake.commands.map(({ action }) => action);
  assert.deepEqual(actions, ['start', 'pause', 'resume', 'cancel']);
});

test('what cannot be is told with its reason and code', LIMIT, async (t) => {
  const fake = await fakePipeline(t);
  const hint = 'Wait for it, or cancel it.';
  fake.refusal = new SluiceError('another snapshot is not finished', { kind: 'config', code: 'test.busy', hint });
  const busy = await runSluice(fake.args(), options);
  assert.equal(busy.code, 2);
  assert.match(busy.stderr, /error: another snapshot is not finished \(test\.busy\)\nhint: Wait for it/);
  fake.refusal = new SluiceError('it does not run', { kind: 'transient', code: 'pipeline.not-running' });
  assert.equal((await runSluice(fake.args('--pause'), options)).code, 3);
  const noToken = await runSluice(fake.args(), { env: { SLUICE_TOKEN: '' } });
  assert.equal(noToken.code, 3);
  assert.match(noToken.stderr, /wants a token.*\nhint: Set SLUICE_TOKEN/);
  const unknown = await runSluice(['snapshot', 'ordres', '--url', fake.url], options);
  assert.equal(unknown.code, 2);
  assert.match(unknown.stderr, /no pipeline "ordres" runs there.*\nhint: did you mean "orders"\?/);
  const filter = await runSluice(fake.args('--filter', '{status: 1}'), options);
  assert.equal(filter.code, 2);
  assert.match(filter.stderr, /--filter is not JSON: .*position 1/);
  const both = await runSluice(fake.args('--pause', '--filter', '{}'), options);
  assert.equal(both.code, 2);
  const nobody = await runSluice(['snapshot', 'orders', '--url', 'http://127.0.0.1:1'], options);
  assert.equal(nobody.code, 3);
  assert.match(nobody.stderr, /nobody answers at http:\/\/127\.0\.0\.1:1 /);
  assert.deepEqual(fake.commands, []);
});
