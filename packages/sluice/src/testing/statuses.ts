import type { PipelineStatus } from '../core/status.ts';

/** The status of a healthy pipeline, with overrides. */
export function testStatus(overrides: Partial<PipelineStatus> = {}): PipelineStatus {
  return {
    name: 'orders',
    source: 'mongodb shop.*',
    sink: 'kafka {db}.{coll}',
    delivery: 'at-least-once',
    state: 'running',
    sinceMs: 1_700_000_000_000,
    error: undefined,
    retries: 0,
    nextTryAtMs: undefined,
    partition: 'orders/0',
    epoch: 3,
    acknowledged: { t: 1_700_000_090, i: 4 },
    checkpoint: { t: 1_700_000_090, i: 2 },
    checkpointAtMs: 1_700_000_090_500,
    lagMs: 120,
    lagEvents: 0,
    inFlightBytes: 0,
    counts: { read: 1_000, delivered: 990, filtered: 8, deadLettered: 2, reread: 5 },
    eventsPerSecond: 42.5,
    lastEventAtMs: 1_700_000_090_100,
    lastProgressAtMs: 1_700_000_099_900,
    stalled: false,
    headroomSeconds: 86_000,
    windowSeconds: 86_400,
    ...overrides,
  };
}
