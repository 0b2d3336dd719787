import type { SourceBatch } from '../../../../core/source.ts';
import type { ChunkRead } from '../aligner.ts';
import type { StreamBatch } from '../anchor.ts';
import type { ChunkResult } from '../rows.ts';
import type { SnapshotState } from '../snapshot-state.ts';
import type { AlignerPort } from './rig.ts';

/** An aligner behind a wall; what is planted in it overrides a method. Only for tests. */
export class AlignerWrapper implements AlignerPort {
  protected readonly inner: AlignerPort;

  constructor(inner: AlignerPort) {
    this.inner = inner;
  }

  get state(): SnapshotState {
    return this.inner.state;
  }

  get wantsStream(): boolean {
    return this.inner.wantsStream;
  }

  receive(batch: StreamBatch): void {
    this.inner.receive(batch);
  }

  update(state: SnapshotState): void {
    this.inner.update(state);
  }

  startRead(): ChunkRead | undefined {
    return this.inner.startRead();
  }

  finish(read: ChunkRead, result: ChunkResult): void {
    this.inner.finish(read, result);
  }

  fail(read: ChunkRead): void {
    this.inner.fail(read);
  }

  next(): SourceBatch | undefined {
    return this.inner.next();
  }
}
