import assert from 'node:assert/strict';
import { resolve } from 'node:path';
import { test } from 'node:test';
import { assertGolden } from '../testing/golden.ts';
import { testSnapshot, testStatus } from '../testing/statuses.ts';
import { createMetrics, describeMetrics } from './metrics.ts';
import { metricsReference } from './metrics-reference.ts';

const root = resolve(import.meta.dirname, '../../../..');

test('the reference page lists every metric', () => {
  assertGolden(`${root}/docs/reference/metrics.md`, metricsReference());
});

test('names follow the conventions: prefix, base units, counters end in _total and nothing else does', () => {
  const metrics = describeMetrics();
  assert.ok(metrics.length > 20);
  for (const { name, type } of metrics) {
    assert.match(name, /^sluice_[a-z_]+$/);
    assert.equal(name.endsWith('_total'), type === 'counter', name);
    assert.doesNotMatch(name, /_(ms|us|kb|mb)(_|$)/);
  }
});

test('what the engine reports and what the status says is rendered', async () => {
  const metrics = createMetrics({ version: '1.2.3', processMetrics: false });
  const telemetry = metrics.telemetryFor('orders');
  telemetry.batch(100, 43_000, 0.02);
  telemetry.latency(0.03);
  telemetry.checkpoint(0.004);
  telemetry.failure('kafka.unreachable');
  telemetry.deadLetter('bson.invalid-utf8');
  for (let scrape = 0; scrape < 2; scrape++) {
    const text = await metrics.render([testStatus({ headroomSeconds: undefined })]);
    for (const line of [
      'sluice_build_info{version="1.2.3"} 1',
      'sluice_batch_size_count{pipeline="orders"} 1',
      'sluice_bytes_delivered_total{pipeline="orders"} 43000',
      'sluice_failures_total{pipeline="orders",code="kafka.unreachable"} 1',
      'sluice_dead_letters_total{pipeline="orders",code="bson.invalid-utf8"} 1',
      'sluice_pipeline_state{pipeline="orders",state="running"} 1',
      'sluice_pipeline_state{pipeline="orders",state="failed"} 0',
      'sluice_events_read_total{pipeline="orders"} 1005',
      'sluice_lag_seconds{pipeline="orders"} 0.12',
    ]) {
      assert.ok(text.includes(`${line}\n`), `${line} is in\n${text}`);
    }
    assert.doesNotMatch(text, /sluice_oplog_headroom_seconds\{/, 'an unknown value has no sample');
  }
});

test('a snapshot and a gap have metrics', async () => {
  const metrics = createMetrics({ version: '1.2.3', processMetrics: false });
  const gap = { from: { t: 1_700_000_000, i: 1 }, to: { t: 1_700_000_060, i: 1 }, atMs: 1_700_000_090_000 };
  const snapshot = testSnapshot();
  const text = await metrics.render([testStatus({ snapshot, gap })]);
  const values = [...text.matchAll(/^(sluice_(?:snapshot|gap)_\w+)\{pipeline="orders"\} (\S+)$/gm)];
  assert.deepEqual(Object.fromEntries(values.map(([, name, value]) => [name, Number(value)])), {
    sluice_snapshot_running: 1,
    sluice_snapshot_paused: 0,
    sluice_snapshot_rows_total: 430_000,
    sluice_snapshot_estimated_rows: 1_000_000,
    sluice_snapshot_rows_per_second: 12_345.4,
    sluice_snapshot_eta_seconds: 46.2,
    sluice_snapshot_collections_pending: 1,
    sluice_gap_timestamp_seconds: 1_700_000_090,
    sluice_gap_seconds: 60,
  });
  const paused = await metrics.render([testStatus({ snapshot: { ...snapshot, state: 'paused' } })]);
  assert.match(paused, /sluice_snapshot_running\{.*\} 0\n(.*\n)*.*sluice_snapshot_paused\{.*\} 1\n/);
  const none = await metrics.render([testStatus()]);
  assert.match(none, /sluice_snapshot_running\{pipeline="orders"\} 0\n/);
  assert.doesNotMatch(none, /sluice_(gap_\w+|snapshot_rows_total)\{/, 'what is not known has no sample');
});

test('a pipeline that is gone leaves no gauges behind', async () => {
  const metrics = createMetrics({ version: '1.2.3', processMetrics: false });
  await metrics.render([testStatus({ name: 'gone' })]);
  assert.doesNotMatch(await metrics.render([testStatus()]), /pipeline="gone"/);
});
