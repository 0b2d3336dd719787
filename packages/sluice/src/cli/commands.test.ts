import assert from 'node:assert/strict';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { runSluice, SluiceProcess, writeConfig } from '../testing/sluice-process.ts';
import { tempDir } from '../testing/temp-dir.ts';
import { waitFor } from '../testing/wait-for.ts';
import { INIT_SINKS } from './init-template.ts';

const CANARY = 'canary-4711';
const UNREACHABLE = `mongodb://sluice:${CANARY}@127.0.0.1:1/?directConnection=true`;

/** One pipeline into a file, from a server that is not there. */
function config(pipeline: object = {}, top: object = {}): object {
  const mongodb = { uri: '${env:CLI_MONGO}', serverSelectionTimeout: '500ms' };
  const checkpoint = { file: { path: './checkpoints' } };
  const orders = { source: { mongodb }, sink: { file: { path: './out.ndjson' } }, checkpoint, ...pipeline };
  return { version: 1, http: { listen: '127.0.0.1:0' }, pipelines: { orders }, ...top };
}

test('usage mistakes end with code 2, a suggestion and, with --json, an envelope', async () => {
  const unknown = await runSluice(['vlidate']);
  assert.equal(unknown.code, 2);
  assert.match(unknown.stderr, /unknown command 'vlidate'\n\(Did you mean validate\?\)/);
  assert.equal(unknown.stdout, '');
  const option = await runSluice(['validate', '--prnt', '--json']);
  assert.equal(option.code, 2);
  const { ok, error } = JSON.parse(option.stdout) as { ok: boolean; error: { code: string; message: string } };
  assert.deepEqual([ok, error.code], [false, 'cli.usage']);
  assert.match(error.message, /unknown option '--prnt'/);
});

const LOOP = { source: { mongodb: { uri: '${env:CLI_MONGO}', include: ['sluice.*'] } }, checkpoint: {} };

const BAD: readonly (readonly [title: string, content: object, expected: RegExp])[] = [
  ['an unknown key', config({ sinc: {} }), /pipelines\.orders\.sinc: unknown key; did you mean "sink"\?/],
  ['a wrong type', config({ stallAfter: 5 }), /stallAfter: 5 has no unit/],
  ['an impossible number', config({ inFlightBytes: '-1MiB' }), /inFlightBytes: "-1MiB" is not a size/],
  ['two sinks', config({ sink: { stdout: {}, file: { path: 'x' } } }), /names 2 connectors/],
  [
    'a literal password',
    config({ source: { mongodb: { uri: `mongodb://u:${CANARY}@h` } } }),
    /a password must not be written/,
  ],
  ['a missing variable', config({ source: { mongodb: { uri: '${env:CLI_NOPE}' } } }), /CLI_NOPE is not set/],
  ['an open endpoint', config({}, { http: { listen: '0.0.0.0:0' } }), /needs a token/],
  ['a loop', config(LOOP), /: a loop/],
  ['a feature that is not built', config({ partitions: 2 }), /not built yet/],
];

for (const [title, content, expected] of BAD) {
  test(`run refuses ${title}: code 2, one line, nothing started`, async () => {
    await using directory = await tempDir('cli');
    const file = await writeConfig(directory.path, content);
    const { code, stdout, stderr } = await runSluice(['run', '-c', file], { env: { CLI_MONGO: UNREACHABLE } });
    assert.equal(code, 2, stderr);
    assert.match(stderr, expected);
    assert.equal(stderr.trim().split('\n').length, 1, stderr);
    assert.match(stderr, /^error: .*sluice\.yaml:\d+:\d+: /);
    assert.equal(stdout, '');
    assert.doesNotMatch(stderr, new RegExp(CANARY));
    assert.deepEqual(await readdir(directory.path), ['sluice.yaml'], 'nothing was made');
  });
}

test('the envelope of a bad configuration has every problem with its place', async () => {
  await using directory = await tempDir('cli');
  const file = await writeConfig(directory.path, config({ sinc: {}, stallAfter: 5 }));
  const { code, stdout, stderr } = await runSluice(['validate', '--json', '-c', file], {
    env: { CLI_MONGO: UNREACHABLE },
  });
  assert.equal(code, 2);
  assert.equal(stderr, '');
  const { ok, command, error } = JSON.parse(stdout) as {
    ok: boolean;
    command: string;
    error: { code: string; path: string; hint: string; problems: { line: number; path: string }[] };
  };
  assert.deepEqual([ok, command, error.code], [false, 'validate', 'config.invalid']);
  assert.deepEqual([error.path, error.hint], ['pipelines.orders.sinc', 'did you mean "sink"?']);
  assert.deepEqual(
    error.problems.map(({ path }) => path),
    ['pipelines.orders.sinc', 'pipelines.orders.stallAfter'],
  );
});

test('an unknown pipeline is a usage mistake', async () => {
  await using directory = await tempDir('cli');
  const file = await writeConfig(directory.path, config());
  const { code, stderr } = await runSluice(['run', 'ordres', '-c', file], { env: { CLI_MONGO: UNREACHABLE } });
  assert.equal(code, 2);
  assert.match(stderr, /there is no pipeline "ordres".*\nhint: did you mean "orders"\?/);
});

test('init writes a file that validates, and does not overwrite one', async () => {
  await using directory = await tempDir('cli');
  const targets = { TARGET_MONGO_URI: 'mongodb://other', POSTGRES_URI: 'postgres://localhost/reports' };
  const env = { MONGO_URI: 'mongodb://localhost', SLUICE_CONFIG: '', ...targets };
  const options = { cwd: directory.path, env };
  for (const sink of INIT_SINKS) {
    const file = `${sink}.yaml`;
    const written = await runSluice(['init', '--sink', sink, '--include', 'shop.*', '--output', file], options);
    assert.equal(written.code, 0, written.stderr);
    const text = await readFile(join(directory.path, file), 'utf8');
    assert.match(text, /^# yaml-language-server: \$schema=\.\/sluice\.schema\.json/);
    const checked = await runSluice(['validate', '-c', file], options);
    assert.equal(checked.code, 0, checked.stderr);
  }
  const again = await runSluice(['init', '--output', 'kafka.yaml'], options);
  assert.equal(again.code, 2);
  assert.match(again.stderr, /kafka\.yaml is already there.*\nhint: overwrite it with --force/);
  const refused = await runSluice(['init', '--include', 'shop', '--output', 'new.yaml'], options);
  assert.equal(refused.code, 2);
  assert.match(refused.stderr, /names no collection/);
});

test('status of nobody ends with code 3', async () => {
  const { code, stderr } = await runSluice(['status', '--url', 'http://127.0.0.1:65533']);
  assert.equal(code, 3);
  assert.match(stderr, /nobody answers at http:\/\/127\.0\.0\.1:65533 \(ECONNREFUSED\)/);
  assert.equal((await runSluice(['status', '--url', 'ftp://x'])).code, 2);
});

test('no command prints a secret, whatever fails', async () => {
  await using directory = await tempDir('cli');
  const deadLetter = { mongodb: {} };
  const file = await writeConfig(directory.path, config({ deadLetter }));
  const env = { CLI_MONGO: UNREACHABLE };
  const calls: readonly (readonly [args: readonly string[], code: number])[] = [
    [['validate', '--print'], 0],
    [['validate', '--print', '--json'], 0],
    [['doctor', '--timeout', '60s'], 3],
    [['doctor', '--timeout', '60s', '--json'], 3],
    [['tail', '--for', '60s', '-v'], 3],
    [['tail', '--for', '60s', '--json'], 3],
    [['dlq', 'list'], 3],
    [['dlq', 'replay', '--all', '--json'], 3],
    [['status'], 3],
  ];
  const run = async (args: readonly string[], expected: number) => {
    const { code, stdout, stderr } = await runSluice([...args, '-c', file], { env });
    assert.equal(code, expected, `${args.join(' ')}: ${stderr}`);
    assert.doesNotMatch(stdout + stderr, new RegExp(CANARY), args.join(' '));
    if (args.includes('--json')) assert.ok(JSON.parse(stdout));
  };
  await Promise.all(calls.map(([args, code]) => run(args, code)));
});

test('run keeps trying while the source is away, logs no secret, and stops cleanly', async () => {
  await using directory = await tempDir('cli');
  const file = await writeConfig(directory.path, config());
  await using child = new SluiceProcess(['run', '-v', '-c', file, '--json'], { env: { CLI_MONGO: UNREACHABLE } });
  const hasTried = () => child.stderr.includes('backing-off');
  await waitFor(hasTried, { timeoutMs: 60_000, message: 'the first attempt has failed' });
  const { code } = await child.end('SIGTERM');
  assert.equal(code, 0, child.stderr);
  for (const line of child.stderr.trim().split('\n')) assert.ok(JSON.parse(line), line);
  const { ok, result } = JSON.parse(child.stdout) as { ok: boolean; result: { pipelines: { state: string }[] } };
  assert.deepEqual([ok, result.pipelines[0]?.state], [true, 'stopped']);
  assert.doesNotMatch(child.stdout + child.stderr, new RegExp(CANARY));
});

test('an endpoint that cannot be opened ends the run before it began', async () => {
  await using directory = await tempDir('cli');
  const token = 'a-token-of-some-length';
  const content = config({}, { http: { listen: '192.0.2.1:8380', token: '${file:token}' } });
  await writeFile(join(directory.path, 'token'), token);
  const file = await writeConfig(directory.path, content);
  const { code, stderr } = await runSluice(['run', '-c', file], { env: { CLI_MONGO: UNREACHABLE } });
  assert.notEqual(code, 0);
  assert.match(stderr, /cannot listen on 192\.0\.2\.1:8380/);
  assert.doesNotMatch(stderr, new RegExp(token));
});
