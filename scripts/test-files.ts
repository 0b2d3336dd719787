import { globSync } from 'node:fs';

const PATTERNS = [
  'packages/*/src/**/*.test.ts',
  'packages/*/test/**/*.test.ts',
  'bench/**/*.test.ts',
  'scripts/**/*.test.ts',
];

/** The servers that a selection of tests needs. */
export interface NeededServers {
  readonly mongo: boolean;
  readonly kafka: boolean;
  readonly nats: boolean;
  readonly search: boolean;
  readonly postgres: boolean;
}

/** What was asked for on the command line. */
export interface TestSelection {
  /** True: only tests that need no server. */
  readonly unitOnly: boolean;
  /** Parts of paths; a file is run when one of them fits. None: all files. */
  readonly filters: readonly string[];
}

/** Reads the arguments of the test script; throws on an option it does not know. */
export function parseSelection(args: readonly string[]): TestSelection {
  const unknown = args.find((arg) => arg.startsWith('-') && arg !== '--unit');
  if (unknown !== undefined)
    throw new Error(`unknown option ${unknown}; usage: npm test -- [--unit] [part of a path]...`);
  return { unitOnly: args.includes('--unit'), filters: args.filter((arg) => !arg.startsWith('-')) };
}

/** All test files below `root`, relative to it. */
export function findTestFiles(root: string): string[] {
  return globSync(PATTERNS, { cwd: root, exclude: ['**/node_modules/**', '**/dist/**'] }).sort();
}

/** True when the name says that the file needs a server. */
export function needsServer(file: string): boolean {
  return /\.(mongo|kafka|nats|search|postgres)\.test\.ts$/.test(file);
}

/** The files of a selection: those with servers first, because they take longest. */
export function selectFiles(files: readonly string[], selection: TestSelection): string[] {
  const { unitOnly, filters } = selection;
  const chosen = files.filter((file) => filters.length === 0 || filters.some((part) => file.includes(part)));
  const withServers = unitOnly ? [] : chosen.filter(needsServer);
  return [...withServers, ...chosen.filter((file) => !needsServer(file))];
}

/** A test of Kafka, NATS, OpenSearch or PostgreSQL usually has MongoDB at the other end, so each of them gets both. */
export function neededServers(files: readonly string[]): NeededServers {
  const some = (kind: string) => files.some((file) => file.endsWith(`.${kind}.test.ts`));
  return {
    mongo: files.some(needsServer),
    kafka: some('kafka'),
    nats: some('nats'),
    search: some('search'),
    postgres: some('postgres'),
  };
}
