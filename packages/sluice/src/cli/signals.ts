/** What the operator asked this process for: the first Ctrl-C (or SIGTERM) stops, the second aborts. */
export interface OperatorSignals extends Disposable {
  readonly stop: AbortSignal;
  readonly abort: AbortSignal;
  /** The first signal that arrived. */
  received(): 'SIGINT' | 'SIGTERM' | undefined;
}

/** Listens for SIGINT and SIGTERM until disposed. `onStop` is told about the first, `onAbort` about the second. */
export function listenForSignals(told: { onStop?: () => void; onAbort?: () => void } = {}): OperatorSignals {
  const stop = new AbortController();
  const abort = new AbortController();
  let first: 'SIGINT' | 'SIGTERM' | undefined;
  const listener = (signal: NodeJS.Signals) => {
    if (first === undefined) {
      first = signal === 'SIGINT' ? 'SIGINT' : 'SIGTERM';
      stop.abort();
      told.onStop?.();
    } else if (!abort.signal.aborted) {
      abort.abort();
      told.onAbort?.();
    }
  };
  process.on('SIGINT', listener).on('SIGTERM', listener);
  return {
    stop: stop.signal,
    abort: abort.signal,
    received: () => first,
    [Symbol.dispose]() {
      process.off('SIGINT', listener).off('SIGTERM', listener);
    },
  };
}
