import assert from 'node:assert/strict';
import { resolve } from 'node:path';
import { test } from 'node:test';
import { assertGolden } from '../testing/golden.ts';
import { runSluice } from '../testing/sluice-process.ts';

const COMMANDS = [
  '',
  'demo',
  'init',
  'validate',
  'doctor',
  'run',
  'status',
  'snapshot',
  'schema',
  'tail',
  'transform',
  'transform test',
  'dlq',
  'dlq list',
  'dlq show',
  'dlq replay',
  'dlq drop',
  'import',
  'import kafka-connect',
  'import nats-connector',
  'version',
];

for (const command of COMMANDS) {
  test(`help of sluice ${command}`, async () => {
    const words = command.split(' ').filter((word) => word !== '');
    const { code, stdout, stderr } = await runSluice([...words, '--help'], { env: { SLUICE_CONFIG: '' } });
    assert.equal(code, 0, stderr);
    assert.equal(stderr, '');
    const name = ['sluice', ...words].join('-');
    assertGolden(resolve(import.meta.dirname, `golden/${name}.txt`), stdout);
  });
}

/** Fails the process when something loads one of the big libraries. */
const NO_LIBRARIES = `data:text/javascript,${encodeURIComponent(`
import { registerHooks } from 'node:module';
registerHooks({ resolve(specifier, context, next) {
  if (/^(mongodb|@platformatic|@nats-io|undici|cockatiel|mingo|hono|prom-client|pino)/.test(specifier)) throw new Error('loaded ' + specifier);
  return next(specifier, context);
} });`)}`;

test('help and validation load no client library', async () => {
  const options = { nodeArgs: ['--import', NO_LIBRARIES], env: { SLUICE_CONFIG: '' } };
  for (const args of [['--help'], ['run', '--help'], ['validate', '-c', 'nope.yaml']]) {
    const { code, stderr } = await runSluice(args, options);
    assert.equal(code, args[0] === 'validate' ? 2 : 0, stderr);
    assert.doesNotMatch(stderr, /loaded/);
  }
  const { stderr } = await runSluice(['doctor'], { ...options, env: { SLUICE_CONFIG: 'nope.yaml' } });
  assert.doesNotMatch(stderr, /loaded/, 'the configuration is checked before anything is loaded');
});
