import type { CheckpointStore } from './checkpoint.ts';

/** Runs pieces of work one after the other; once one has failed, all others fail with the same error without running. */
export class FailFastQueue {
  #tail: Promise<unknown> = Promise.resolve();

  run<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#tail.then(work);
    this.#tail = result;
    result.catch(() => {});
    return result;
  }
}

/** The same store with its calls in order with other work. It belongs to a sink, which disposes of everything. */
export function inOrder(store: Pick<CheckpointStore, 'claim' | 'save'>, queue: FailFastQueue): CheckpointStore {
  return {
    claim: (partition, signal) => queue.run(() => store.claim(partition, signal)),
    save: (checkpoint, signal) => queue.run(() => store.save(checkpoint, signal)),
    async [Symbol.asyncDispose]() {},
  };
}
