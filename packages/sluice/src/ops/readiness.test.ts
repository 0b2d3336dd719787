import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { PipelineStatus } from '../core/status.ts';
import { testSnapshot, testStatus } from '../testing/statuses.ts';
import { pipelineReadiness } from './readiness.ts';

const NOW = 1_700_000_100_000;
const error = {
  kind: 'transient',
  code: 'kafka.unreachable',
  message: 'no broker answers',
  hint: undefined,
  atMs: NOW,
} as const;

const cases: [title: string, overrides: Partial<PipelineStatus>, reason: RegExp | undefined][] = [
  ['running', {}, undefined],
  [
    'waiting while another process owns it',
    { state: 'standby', lease: { owned: false, owner: 'host-2:17', epoch: 4, expiresAtMs: NOW + 9_000 } },
    undefined,
  ],
  ['catching up', { state: 'catching-up', lagMs: 3_600_000 }, undefined],
  ['starting', { state: 'starting' }, /^starting$/],
  ['trying again after a moment', { state: 'starting', retries: 2, error, troubledSinceMs: NOW - 2_000 }, undefined],
  [
    'trying again for long',
    { state: 'starting', retries: 9, error, troubledSinceMs: NOW - 60_000, lastProgressAtMs: NOW - 500 },
    /9 failures.*no broker answers/,
  ],
  ['backing off for a moment', { state: 'backing-off', error, troubledSinceMs: NOW - 2_000 }, undefined],
  [
    'backing off for long',
    { state: 'backing-off', error, retries: 9, troubledSinceMs: NOW - 60_000, lastProgressAtMs: NOW - 500 },
    /9 failures.*kafka\.unreachable/,
  ],
  ['backing off from the start', { state: 'backing-off', error, lastProgressAtMs: undefined }, /backing off/],
  ['failed', { state: 'failed', error }, /^failed: no broker answers/],
  ['stopping', { state: 'stopping' }, /^stopping$/],
  [
    'copying what is there, far behind',
    { state: 'catching-up', lagMs: 3_600_000, snapshot: testSnapshot() },
    undefined,
  ],
  ['a snapshot that waits', { snapshot: testSnapshot({ waitsFor: 'replication', rowsPerSecond: 0 }) }, undefined],
  ['a snapshot that is paused', { snapshot: testSnapshot({ state: 'paused', rowsPerSecond: 0 }) }, undefined],
  ['ended when all was copied', { state: 'stopped', snapshot: testSnapshot({ state: 'completed' }) }, undefined],
  ['stopped while copying', { state: 'stopped', snapshot: testSnapshot() }, /^stopped$/],
  ['stopped', { state: 'stopped' }, /^stopped$/],
  [
    'the sink hangs',
    { stalled: true, lagEvents: 7, lagMs: 95_000 },
    /has not acknowledged 7 events; the oldest is 95 s old/,
  ],
  ['the source is silent', { stalled: true, lastProgressAtMs: NOW - 90_000 }, /no reply of the source for 90 s/],
];

for (const [title, overrides, reason] of cases) {
  test(`${title}: ${reason === undefined ? 'ready' : 'not ready'}`, () => {
    const readiness = pipelineReadiness(testStatus(overrides), NOW);
    assert.equal(readiness.ready, reason === undefined);
    assert.match(readiness.reason, reason ?? /^$/);
  });
}
