import type { SnapshotStatus } from '../core/snapshot.ts';
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
    troubledSinceMs: undefined,
    partition: 'orders/0',
    epoch: 3,
    lease: undefined,
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
    snapshot: undefined,
    gap: undefined,
    sourceOffsets: [],
    sinkOffsets: [],
    ...overrides,
  };
}

/** A snapshot that is under way over two collections, with overrides. */
export function testSnapshot(overrides: Partial<SnapshotStatus> = {}): SnapshotStatus {
  return {
    reason: 'initial',
    state: 'copying',
    waitsFor: undefined,
    startedAtMs: 1_700_000_000_000,
    endedAtMs: undefined,
    error: undefined,
    rows: 430_000,
    bytes: 184_900_000,
    estimatedRows: 1_000_000,
    percent: 43,
    rowsPerSecond: 12_345.4,
    etaSeconds: 46.2,
    collections: [
      { namespace: 'shop.items', state: 'completed', rows: 30_000, estimatedRows: 30_000, percent: 100 },
      { namespace: 'shop.orders', state: 'copying', rows: 400_000, estimatedRows: 970_000, percent: 41 },
    ],
    ...overrides,
  };
}
