const SMALLEST_BYTES = 64 * 1024;

/**
 * Reuses large buffers, whose allocation and collection would cost more than filling them. Sizes are powers of two;
 * what would make the idle part larger than the limit is left to the garbage collector.
 */
export class BufferPool {
  readonly #limitBytes: number;
  readonly #idle = new Map<number, Buffer[]>();
  #idleBytes = 0;

  constructor(limitBytes: number) {
    this.#limitBytes = limitBytes;
  }

  /** A buffer of at least `bytes` with any content. */
  take(bytes: number): Buffer {
    let size = SMALLEST_BYTES;
    while (size < bytes) size *= 2;
    const buffer = this.#idle.get(size)?.pop();
    if (buffer === undefined) return Buffer.allocUnsafeSlow(size);
    this.#idleBytes -= size;
    return buffer;
  }

  /** Gives a buffer from `take` back. Nobody may look at it any more. */
  give(buffer: Buffer): void {
    if (this.#idleBytes + buffer.length > this.#limitBytes) return;
    const buffers = this.#idle.get(buffer.length);
    if (buffers === undefined) this.#idle.set(buffer.length, [buffer]);
    else buffers.push(buffer);
    this.#idleBytes += buffer.length;
  }
}
