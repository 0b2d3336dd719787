import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { dirname, relative, resolve } from 'node:path';
import { test } from 'node:test';

const root = import.meta.dirname;

/** Which rooms a room may import from, besides itself. `connectors/x` stands for each connector. */
const ARROWS: Record<string, readonly string[]> = {
  core: [],
  bson: ['core'],
  settings: ['core'],
  formats: ['core', 'bson', 'settings'],
  engine: ['core'],
  transforms: ['core', 'bson', 'settings'],
  schema: ['core', 'bson', 'settings'],
  'connectors/x': ['core', 'bson', 'settings'],
  connectors: ['core', 'settings', 'connectors/x'],
  config: ['core', 'settings', 'formats', 'transforms', 'schema', 'connectors', 'connectors/x'],
  ops: ['core', 'schema', 'config'],
  importers: ['core', 'settings', 'config'],
  cli: [
    'core',
    'bson',
    'settings',
    'formats',
    'engine',
    'transforms',
    'schema',
    'connectors',
    'connectors/x',
    'config',
    'importers',
    'ops',
    'testing',
  ],
};

/** Node's own modules that `core` may use: pure functions only. */
const PURE_BUILTINS = new Set(['node:crypto']);

interface Import {
  readonly file: string;
  readonly specifier: string;
}

function importsOf(pattern: string): Import[] {
  return globSync(pattern, { cwd: root })
    .filter((file) => !file.endsWith('.test.ts') && !isForTests(file))
    .flatMap((file) => {
      const text = readFileSync(resolve(root, file), 'utf8');
      const specifiers = text.matchAll(
        /(?:^|\n)\s*(?:import|export)[^'";]*?from\s*'([^']+)'|import\(\s*'([^']+)'\s*\)/g,
      );
      return [...specifiers].map((match) => ({ file, specifier: (match[1] ?? match[2]) as string }));
    });
}

/** What several tests of one room share. */
function isForTests(file: string): boolean {
  return file.endsWith('-fixture.ts') || file.includes('/test-support/');
}

/** The room of a file: its first folder; each connector is a room of its own. */
function roomOf(file: string): string {
  const [first = '', second = '', third] = file.split('/');
  return first === 'connectors' && third !== undefined ? `connectors/${second}` : first;
}

function general(room: string): string {
  return room.startsWith('connectors/') ? 'connectors/x' : room;
}

test('imports follow the arrows', () => {
  const imports = importsOf('**/*.ts');
  assert.ok(imports.length > 50, 'the imports were found');
  const wrong = imports.filter(({ file, specifier }) => {
    if (!specifier.startsWith('.')) return false;
    const from = roomOf(file);
    const to = roomOf(relative(root, resolve(root, dirname(file), specifier)));
    if (from === to || from === 'testing') return false;
    if (to === 'testing') return !file.startsWith('cli/demo');
    return (
      !ARROWS[general(from)]?.includes(general(to)) ||
      (general(from) === 'connectors/x' && general(to) === 'connectors/x')
    );
  });
  assert.deepEqual(wrong, []);
});

test('only tests import what is for tests', () => {
  const wrong = importsOf('**/*.ts').filter(
    ({ file, specifier }) =>
      roomOf(file) !== 'testing' && isForTests(relative(root, resolve(root, dirname(file), specifier))),
  );
  assert.deepEqual(wrong, []);
});

test('core imports nothing but itself and pure builtins', () => {
  const foreign = importsOf('core/**/*.ts').filter(
    ({ specifier }) => !specifier.startsWith('./') && !PURE_BUILTINS.has(specifier),
  );
  assert.deepEqual(foreign, []);
});

test('client libraries are imported by their own connector only', () => {
  const homes: Record<string, RegExp> = {
    mongodb: /^(connectors\/mongodb|testing|cli\/demo)/,
    '@platformatic/kafka': /^(connectors\/kafka|testing)/,
    '@nats-io/transport-node': /^(connectors\/nats|testing)/,
    '@nats-io/jetstream': /^(connectors\/nats|testing)/,
    kafkajs: /^testing/,
    hono: /^ops/,
    'prom-client': /^ops/,
  };
  const strays = importsOf('**/*.ts').filter(({ file, specifier }) => homes[specifier]?.test(file) === false);
  assert.deepEqual(strays, []);
});

test('every folder is a room of the plan', () => {
  const rooms = new Set(globSync('*/', { cwd: root }).map((folder) => folder.replace(/\/$/, '')));
  for (const room of rooms) assert.ok(room in ARROWS || room === 'testing', `${room} has no arrows`);
});
