import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { test } from 'node:test';
import { parse } from 'yaml';

const EXAMPLE = resolve(import.meta.dirname, '../../../../examples/migration');
const DIE_WITH_PARENT = resolve(import.meta.dirname, '../../src/testing/die-with-parent.ts');

/** Everything that a process prints, and its exit code. */
async function ended(child: ChildProcess): Promise<{ readonly code: unknown; readonly text: string }> {
  let text = '';
  for (const stream of [child.stdout, child.stderr]) stream?.setEncoding('utf8').on('data', (more) => (text += more));
  const [code] = await once(child, 'close');
  return { code, text };
}

test('the migration example runs from the copy to the switch-over, and all its counts are right', {
  timeout: 900_000,
}, async (t) => {
  // The servers are its own, and its script ends them with itself.
  const args = ['--import', DIE_WITH_PARENT, resolve(EXAMPLE, 'run.ts')];
  const { code, text } = await ended(spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] }));
  assert.equal(code, 0, text);
  for (const line of [
    '✓ users in mongo-source: 100',
    '✓ messages in the topic: 100',
    '✓ users in chosen: 101',
    '✓ users in everything: 101',
    '✓ each of the 3 workers reads 1 partition of each pipeline',
    '✓ lag 0 in the source and in every worker',
    '✓ everything: every document is equal to its source, byte for byte',
    'All of it holds',
  ]) {
    assert.ok(text.includes(line), `${line} is missing:\n${text}`);
  }
  t.diagnostic(/All of it holds.*/.exec(text)?.[0] ?? '');
});

interface Service {
  readonly image?: string;
  readonly command?: readonly string[];
  readonly environment?: Readonly<Record<string, unknown>>;
  readonly healthcheck?: { readonly test?: readonly string[] };
  readonly volumes?: readonly string[];
  readonly depends_on?: Readonly<Record<string, { readonly condition: string }>>;
}

interface Compose {
  readonly services: Readonly<Record<string, Service>>;
  readonly volumes: Readonly<Record<string, null>>;
}

function compose(file: string): Compose {
  return parse(readFileSync(resolve(EXAMPLE, file), 'utf8'), { merge: true }) as Compose;
}

/** The services of both files, as far as these checks need the rules by which Docker Compose merges them. */
function withReplicas(): Compose {
  const [base, more] = [compose('compose.yaml'), compose('compose.replicas.yaml')];
  const services = { ...base.services };
  for (const [name, service] of Object.entries(more.services)) {
    const below = base.services[name] ?? {};
    services[name] = {
      ...below,
      ...service,
      environment: { ...below.environment, ...service.environment },
      depends_on: { ...below.depends_on, ...service.depends_on },
    };
  }
  return { services, volumes: { ...base.volumes, ...more.volumes } };
}

for (const [title, read] of [
  ['compose.yaml', () => compose('compose.yaml')],
  ['compose.yaml with compose.replicas.yaml', withReplicas],
] as const) {
  test(`${title}: names, volumes, files and members of replica sets fit together`, () => {
    const { services, volumes } = read();
    const known = new Set(Object.keys(services));
    const initiated: string[] = [];
    for (const [name, service] of Object.entries(services)) {
      assert.ok(service.image?.includes(':'), `${name} has an image with a version`);
      for (const [needed, { condition }] of Object.entries(service.depends_on ?? {})) {
        assert.ok(known.has(needed), `${name} needs ${needed}`);
        assert.equal(condition, 'service_healthy');
        assert.ok(services[needed]?.healthcheck?.test !== undefined, `${needed} says when it is healthy`);
      }
      for (const volume of service.volumes ?? []) {
        const [from = ''] = volume.split(':');
        const there = from.startsWith('.') ? existsSync(resolve(EXAMPLE, from)) : from in volumes;
        assert.ok(there, `${name}: ${volume}`);
      }
      const written = JSON.stringify([service.command, service.environment, service.healthcheck]);
      for (const [, host = ''] of written.matchAll(/\b((?:mongo|kafka)[a-z0-9-]*):(?:27017|9092)/g)) {
        assert.ok(known.has(host), `${name} calls ${host}`);
      }
      for (const [, host = ''] of written.matchAll(/host: \\"([^:]+):27017/g)) initiated.push(host);
      for (const file of service.command?.filter((word) => /^[a-z-]+\.(yaml|json)$/.test(word)) ?? []) {
        assert.ok(existsSync(resolve(EXAMPLE, file)), `${name}: ${file}`);
      }
    }
    assert.deepEqual(initiated.sort(), [...known].filter((name) => name.startsWith('mongo')).sort());
  });
}
