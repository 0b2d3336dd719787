import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BSON } from 'bson';
import { silentLogger } from '../../core/logger.ts';
import { clientAnswering, writerOver } from './bulk-fixture.ts';
import { refuseReserved, TombstonePurge } from './tombstones.ts';

const MINUTE = 60_000;
const turns = async () => {
  for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
};

test('tombstones of the indexes that were written to are looked for now and then, until the sink is closed', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const client = clientAnswering([], { status: 404, body: '{}' });
  const warnings: string[] = [];
  const logger = { ...silentLogger, warn: (_: object, message: string) => void warnings.push(message) };
  const names: string[] = [];
  const parts = { client, writer: writerOver(client), logger, keepMs: 30 * MINUTE };
  const purge = new TombstonePurge(parts, () => names);
  t.mock.timers.tick(MINUTE);
  await turns();
  assert.equal(client.sent.length, 0);
  names.push('a', 'b');
  t.mock.timers.tick(3 * MINUTE);
  await turns();
  assert.deepEqual(
    client.sent.map(({ path }) => path),
    ['/a/_refresh', '/b/_refresh'],
  );
  // What goes wrong is said, and tried again.
  client.answers.push({ status: 400, body: '{}' });
  t.mock.timers.tick(3 * MINUTE);
  await turns();
  assert.deepEqual([client.sent.length, warnings.length], [4, 1]);
  t.mock.timers.tick(3 * MINUTE);
  await turns();
  assert.equal(client.sent.length, 6);
  await purge[Symbol.asyncDispose]();
  t.mock.timers.tick(60 * MINUTE);
  await turns();
  assert.equal(client.sent.length, 6);
});

test('a document of the source that looks like a tombstone is refused where there are tombstones', () => {
  const looksLike = BSON.serialize({ _id: 1, _sluice: { deleted: true } });
  const below = BSON.serialize({ _id: 1, a: { _sluice: 1 } });
  assert.throws(() => refuseReserved(looksLike, 'tombstone'), { kind: 'rejected', code: 'search.reserved-field' });
  refuseReserved(looksLike, 'remove');
  refuseReserved(below, 'tombstone');
});
