/**
 * Runs work, also side by side, until some of it fails: what is begun from then on fails with the same error without
 * running, as a sink must after an error.
 */
export class FirstFailure {
  #failure: { readonly error: unknown } | undefined;

  /** Runs `work`, unless something has failed or the signal is aborted. */
  async unlessFailed<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    if (this.#failure !== undefined) throw this.#failure.error;
    try {
      signal.throwIfAborted();
      return await work();
    } catch (error) {
      this.#failure ??= { error };
      throw error;
    }
  }
}
