import assert from 'node:assert/strict';
import { test } from 'node:test';
import { settingsOf as configOf } from './client-fixture.ts';
import { flatSettings, parseTime, settingsOf } from './index-settings.ts';

const NODES = ['http://localhost:9200'];

function settings(more: Record<string, unknown>, serverless = false): Record<string, unknown> {
  return Object.fromEntries(settingsOf(configOf(NODES, more), { serverless }));
}

test('settings may be written with or without index, as objects or with dots', () => {
  const written = {
    number_of_shards: 3,
    'index.refresh_interval': '5s',
    index: { sort: { field: ['a'] } },
    analysis: { filter: { x: { type: 'stop' } } },
  };
  assert.deepEqual(Object.fromEntries(flatSettings(written)), {
    'index.number_of_shards': 3,
    'index.refresh_interval': '5s',
    'index.sort.field': ['a'],
    'index.analysis.filter.x.type': 'stop',
  });
});

test('settings of the user win, except how long deletes are remembered', () => {
  const own = { mapping: { total_fields: { limit: 5 } }, 'index.gc_deletes': '1s' };
  assert.deepEqual(settings({ settings: own, deletes: { gcDeletes: '2h' }, mapping: { malformed: 'ignore' } }), {
    'index.mapping.total_fields.limit': 5,
    'index.mapping.ignore_malformed': true,
    'index.gc_deletes': '7200000ms',
  });
});

test('a serverless product gets the settings of the user alone', () => {
  assert.deepEqual(settings({ settings: { refresh_interval: '5s' } }, true), { 'index.refresh_interval': '5s' });
});

test('times are read as the products write them', () => {
  const times = ['24h', '60s', '1.5m', '100ms', '5micros', '2d', '-1', '60', 60_000].map(parseTime);
  assert.deepEqual(times, [86_400_000, 60_000, 90_000, 100, 0.005, 172_800_000, Number.POSITIVE_INFINITY, 60, 60_000]);
  assert.equal(parseTime('soon'), undefined);
});
