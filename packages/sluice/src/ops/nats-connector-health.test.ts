import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { PipelineStatus } from '../core/status.ts';
import { readNatsConnectorRecording } from '../testing/nats-connector-recording.ts';
import { testStatus } from '../testing/statuses.ts';
import { natsConnectorHealth } from './nats-connector-health.ts';

const NOW = 1_700_000_100_000;
const UP = { status: 'UP' };
const DOWN = { status: 'DOWN' };

function healthOf(...statuses: Partial<PipelineStatus>[]) {
  return natsConnectorHealth(
    statuses.map((overrides, index) => testStatus({ name: `p${index}`, ...overrides })),
    NOW,
  );
}

function failed(code: string): Partial<PipelineStatus> {
  return { state: 'failed', error: { kind: 'config', code, message: 'm', hint: undefined, atMs: NOW } };
}

test('when all is well it is what mongodb-nats-connector answers', () => {
  assert.equal(`${JSON.stringify(healthOf({}, {}))}\n`, readNatsConnectorRecording().health.body);
});

test('a pipeline that does not move is down, and the system that it waits for', () => {
  const cases: [overrides: Partial<PipelineStatus>, mongo: object, nats: object][] = [
    [failed('nats.stream-mismatch'), UP, DOWN],
    [failed('mongodb.unauthorized'), DOWN, UP],
    [failed('engine.no-dead-letters'), DOWN, DOWN],
    [{ state: 'starting' }, DOWN, DOWN],
    [{ state: 'stopped' }, DOWN, DOWN],
    [{ stalled: true, lagEvents: 0 }, DOWN, UP],
    [{ stalled: true, lagEvents: 12 }, UP, DOWN],
  ];
  for (const [overrides, mongo, nats] of cases) {
    const expected = { status: 'DOWN', components: { mongo, nats } };
    assert.deepEqual(healthOf({}, overrides), expected, JSON.stringify(overrides));
  }
});

test('waiting while another process works is up', () => {
  const lease = { owned: false, owner: 'host-2:17', epoch: 4, expiresAtMs: NOW + 9_000 };
  assert.equal(healthOf({ state: 'standby', lease }).status, 'UP');
});
