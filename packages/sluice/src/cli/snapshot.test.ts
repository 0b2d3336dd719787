import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Logger, silentLogger } from '../core/logger.ts';
import type { CollectionSnapshotStatus, SnapshotCommand } from '../core/snapshot.ts';
import type { PipelineStatus } from '../core/status.ts';
import { testSnapshot, testStatus } from '../testing/statuses.ts';
import { snapshotCommandOf } from './control-snapshot.ts';
import { statusLines } from './run-output.ts';
import { SnapshotNews } from './snapshot-news.ts';
import { collectionLines, copiedText, snapshotLine } from './snapshot-text.ts';
import { statusTable } from './status-table.ts';
import type { Style } from './terminal.ts';

const plain = (_style: Style, text: string) => text;
const NOW = 1_700_000_100_000;

function lineOf(overrides: Parameters<typeof testSnapshot>[0]): string {
  return snapshotLine(testStatus({ snapshot: testSnapshot(overrides) }), plain, NOW);
}

function pending(count: number): CollectionSnapshotStatus[] {
  const blank = { state: 'pending', rows: 0, estimatedRows: 5, percent: 0 } as const;
  return Array.from({ length: count }, (_, index) => ({ ...blank, namespace: `shop.c${index}` }));
}

test('a snapshot in one line says what it does, how far it is, and how long the oplog lasts', () => {
  const rest = '43 %  430,000 of about 1,000,000 rows  1 of 2 collections';
  assert.equal(lineOf({}), `initial snapshot copying  ${rest}  12,345 rows/s  46 s left  oplog left 23 h 53 min`);
  assert.equal(lineOf({ state: 'paused' }), `initial snapshot paused  ${rest}  oplog left 23 h 53 min`);
  assert.match(lineOf({ waitsFor: 'stream' }), /^initial snapshot waiting until the stream has caught up {2}43 %/);
  assert.match(lineOf({ waitsFor: 'replication' }), /waiting until the replica set has caught up/);
  assert.match(lineOf({ waitsFor: 'rate-limit' }), /copying at the rate limit/);
  const unknown = { percent: undefined, estimatedRows: undefined, etaSeconds: undefined, reason: 'on-demand' } as const;
  assert.match(
    lineOf(unknown),
    /^snapshot on demand copying {2}430,000 rows {2}1 of 2 collections {2}12,345 rows\/s {2}oplog/,
  );
  const one = pending(1);
  assert.match(lineOf({ reason: 'position-lost', collections: one }), /after a lost position .* 0 of 1 collection {2}/);
  assert.equal(snapshotLine(testStatus(), plain, NOW), '');
});

test('an ended snapshot says when, how long it took and what it copied', () => {
  const times = { startedAtMs: NOW - 240_000, endedAtMs: NOW - 60_000 };
  const completed = lineOf({ ...times, state: 'completed', rows: 1_000_000, percent: 100 });
  assert.equal(completed, 'initial snapshot completed 1 min ago after 3 min, 1,000,000 rows copied of 2 collections');
  const cancelled = lineOf({ ...times, state: 'cancelled', reason: 'new-collections' });
  assert.match(cancelled, /^snapshot of new collections cancelled 1 min ago .* snapshot cancelled \(43 %, 1 of 2 /);
  assert.match(copiedText(testSnapshot()), /^430,000 rows copied, snapshot not finished \(43 %, 1 of 2 collections\)$/);
});

test('of many collections the unfinished ones are listed, those begun first, and how many more there are', () => {
  const { collections } = testSnapshot();
  const many = testSnapshot({ collections: [...pending(34), ...collections] });
  const lines = collectionLines(many, 10);
  assert.equal(lines.length, 11);
  assert.match(lines[0] ?? '', /^shop\.orders +41 % {2}400,000 of about 970,000 rows$/);
  assert.match(lines[1] ?? '', /^shop\.c0 +pending, about 5 rows$/);
  assert.equal(lines[10], 'and 25 more');
  assert.deepEqual(collectionLines(testSnapshot({ collections: [] }), 10), []);
  assert.equal(collectionLines(testSnapshot({ collections: pending(3) }), 3).length, 3);
});

test('the status shows a snapshot below the table, a gap in words, and forgets what ended long ago', () => {
  const gap = { from: { t: 1_699_990_000, i: 1 }, to: { t: 1_700_000_000, i: 1 }, atMs: NOW - 5_000 };
  const text = statusTable([testStatus({ snapshot: testSnapshot(), gap })], { paint: plain, nowMs: NOW });
  const lines = text.trimEnd().split('\n').slice(2);
  assert.deepEqual(lines.slice(0, 2), [
    '',
    'orders: changes from 2023-11-14 19:26:40Z to 2023-11-14 22:13:20Z were skipped at 2023-11-14 22:14:55Z and are not delivered',
  ]);
  assert.match(lines[2] ?? '', /^orders: initial snapshot copying {2}43 %/);
  assert.match(lines[3] ?? '', /^ {2}shop\.orders {2}41 %/);
  assert.equal(lines.length, 4);
  const ended = (agoMs: number) => {
    const snapshot = testSnapshot({ state: 'completed', endedAtMs: NOW - agoMs });
    return statusTable([testStatus({ snapshot })], { paint: plain, nowMs: NOW });
  };
  assert.match(ended(60_000), /orders: initial snapshot completed 1 min ago/);
  assert.doesNotMatch(ended(7_200_000), /snapshot/);
});

test('the live block has the snapshot below its pipeline', () => {
  const lines = statusLines(testStatus({ snapshot: testSnapshot({ collections: pending(5) }) }), plain, NOW);
  assert.match(lines[0] ?? '', /^orders running/);
  assert.match(lines[1] ?? '', /^ {2}initial snapshot copying/);
  assert.deepEqual(
    lines.slice(2).map((line) => line.trim().split(' ')[0]),
    ['shop.c0', 'shop.c1', 'shop.c2', 'and'],
  );
  assert.equal(statusLines(testStatus({ snapshot: testSnapshot({ state: 'completed' }) }), plain, NOW).length, 1);
});

/** What a log is told, without the fields that every line has. */
function recorder() {
  const told: string[] = [];
  const note = (level: string) => (fields: { namespace?: string; rows?: number }, message: string) =>
    void told.push([level, message, fields.namespace ?? '', fields.rows ?? ''].join(' ').trim());
  const logger: Logger = { ...silentLogger, info: note('info'), warn: note('warn'), child: () => logger };
  return { told, logger };
}

test('the log tells the start, every ten seconds how far it is, each collection, and the end', () => {
  const { told, logger } = recorder();
  const news = new SnapshotNews(logger, { withProgress: true, sinceMs: 0 });
  const [items, orders] = testSnapshot().collections as [CollectionSnapshotStatus, CollectionSnapshotStatus];
  const done = { ...orders, state: 'completed', rows: 970_000, percent: 100 } as const;
  const at = (second: number, overrides: Parameters<typeof testSnapshot>[0]) =>
    news.observe(
      [testStatus({ snapshot: testSnapshot(overrides) }), testStatus({ name: 'users' })],
      NOW + second * 1000,
    );
  at(0, { rows: 0, collections: pending(2) });
  for (let second = 1; second < 25; second++) at(second, { rows: second, collections: [items, orders] });
  at(25, { state: 'paused', rows: 25, collections: [items, orders] });
  at(26, { rows: 26, collections: [items, orders] });
  at(27, { state: 'completed', endedAtMs: NOW, rows: 1_000_000, collections: [items, done] });
  for (let second = 28; second < 60; second++) at(second, { state: 'completed', rows: 1, collections: [items, done] });
  assert.deepEqual(told, [
    'info snapshot started',
    'info collection copied shop.items 30000',
    'info snapshot progress  10',
    'info snapshot progress  20',
    'warn snapshot paused  25',
    'info snapshot resumed  26',
    'info collection copied shop.orders 970000',
    'info snapshot completed  1000000',
  ]);
});

test('after a restart a snapshot goes on; one that was over before anybody looked is told all the same', () => {
  const first = recorder();
  const resumed = new SnapshotNews(first.logger, { withProgress: false, sinceMs: NOW });
  for (const second of [0, 11, 22]) resumed.observe([testStatus({ snapshot: testSnapshot() })], NOW + second * 1000);
  assert.deepEqual(first.told, ['info snapshot goes on where it was  430000']);
  const second = recorder();
  const [items] = testSnapshot().collections as [CollectionSnapshotStatus];
  const quick = testSnapshot({ state: 'completed', rows: 30_000, collections: [items] });
  new SnapshotNews(second.logger, { withProgress: true, sinceMs: 0 }).observe([testStatus({ snapshot: quick })], NOW);
  assert.equal(second.told.at(-1), 'info snapshot completed  30000');
  assert.ok(second.told.includes('info collection copied shop.items 30000'));
});

const COMMANDS: readonly (readonly [options: object, command: SnapshotCommand])[] = [
  [{}, { action: 'start', collections: [], match: undefined }],
  [{ pause: true }, { action: 'pause' }],
  [{ resume: true }, { action: 'resume' }],
  [{ cancel: true }, { action: 'cancel' }],
  [
    { collections: 'shop.{orders,items}, crm.*', filter: '{"a": {"$oid": "x"}}' },
    { action: 'start', collections: ['shop.{orders,items}', 'crm.*'], match: '{"a":{"$oid":"x"}}' },
  ],
];

for (const [options, command] of COMMANDS) {
  test(`the command of ${JSON.stringify(options)}`, () => {
    assert.deepEqual(snapshotCommandOf({ wait: true, ...options }), command);
  });
}

const MISTAKES: readonly (readonly [options: object, expected: RegExp])[] = [
  [{ filter: '{status: "open"}' }, /--filter is not JSON: .*position 1/],
  [{ filter: '{"status": open}' }, /--filter is not JSON: .*"status": open/],
  [{ filter: '[]' }, /--filter must be a query/],
  [{ filter: 'null' }, /--filter must be a query/],
  [{ collections: 'a.b,' }, /has an empty entry/],
  [{ collections: '' }, /has an empty entry/],
];

for (const [options, expected] of MISTAKES) {
  test(`a mistake: ${JSON.stringify(options)}`, () => {
    assert.throws(() => snapshotCommandOf({ wait: true, ...options }), { code: 'cli.usage', message: expected });
  });
}

test('a status without snapshots looks as before', () => {
  const statuses: readonly PipelineStatus[] = [testStatus()];
  assert.equal(statusTable(statuses, { paint: plain, nowMs: NOW }).trimEnd().split('\n').length, 2);
});
