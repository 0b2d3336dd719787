import type { PipelineSignals } from './pipeline.ts';

/** A signal that fires on `abort`, or when a stop has not drained in time. */
export function abortAfterDrain(signals: PipelineSignals, timeoutMs: number) {
  const controller = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  const expire = () => controller.abort(new DOMException('the drain took too long', 'AbortError'));
  const startTimer = () => (timer = setTimeout(expire, timeoutMs));
  signals.stop.addEventListener('abort', startTimer, { once: true });
  if (signals.stop.aborted) startTimer();
  return {
    signal: AbortSignal.any([signals.abort, controller.signal]),
    cancel() {
      clearTimeout(timer);
      signals.stop.removeEventListener('abort', startTimer);
    },
  };
}
