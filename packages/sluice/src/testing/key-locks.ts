/** Lets one holder at a time work on a key. */
export class KeyLocks {
  readonly #tails = new Map<number, Promise<void>>();

  /** Runs `work` while it alone holds all these keys. Keys are taken in order, so that no two holders block each other. */
  async hold<T>(keys: readonly number[], work: () => Promise<T>): Promise<T> {
    const releases: (() => void)[] = [];
    try {
      for (const key of [...new Set(keys)].sort((a, b) => a - b)) releases.push(await this.#acquire(key));
      return await work();
    } finally {
      for (const release of releases) release();
    }
  }

  async #acquire(key: number): Promise<() => void> {
    const before = this.#tails.get(key);
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#tails.set(key, promise);
    await before;
    return () => {
      if (this.#tails.get(key) === promise) this.#tails.delete(key);
      resolve();
    };
  }
}
