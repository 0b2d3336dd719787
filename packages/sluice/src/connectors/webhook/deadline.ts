/** Says that the time of a request was over. */
export class DeadlineError extends Error {
  constructor() {
    super('the time was over');
    this.name = 'DeadlineError';
  }
}

/**
 * Runs the work until it is done, its time is over (`DeadlineError`) or the signal aborts (rejects with its reason), whichever
 * comes first, and aborts the work's own signal in the latter cases. Does not wait for work that does not hear it.
 */
export async function withDeadline<T>(
  work: (signal: AbortSignal) => Promise<T>,
  { timeoutMs, signal }: { readonly timeoutMs: number; readonly signal: AbortSignal },
): Promise<T> {
  signal.throwIfAborted();
  const controller = new AbortController();
  const ended = Promise.withResolvers<never>();
  const end = (reason: unknown) => {
    ended.reject(reason);
    controller.abort(reason);
  };
  const abort = () => end(signal.reason);
  const timer = setTimeout(() => end(new DeadlineError()), timeoutMs);
  signal.addEventListener('abort', abort, { once: true });
  const running = work(controller.signal);
  running.catch(() => {});
  try {
    return await Promise.race([running, ended.promise]);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', abort);
  }
}
