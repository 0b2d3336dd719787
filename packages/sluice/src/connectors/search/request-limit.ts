/**
 * The end of a request: its time is over, or it is not wanted any more. Disposed with the request, so that a signal that lives
 * as long as the pipeline does not collect them.
 */
export class RequestLimit implements Disposable {
  /** True when the time was over before anything else happened. */
  isOver = false;
  readonly #controller = new AbortController();
  readonly #outer: AbortSignal;
  readonly #timer: NodeJS.Timeout;
  readonly #abort = () => this.#controller.abort(this.#outer.reason);

  constructor(timeoutMs: number, outer: AbortSignal) {
    outer.throwIfAborted();
    this.#outer = outer;
    outer.addEventListener('abort', this.#abort, { once: true });
    this.#timer = setTimeout(() => {
      this.isOver = true;
      this.#controller.abort(new Error('the time was over'));
    }, timeoutMs);
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
    this.#outer.removeEventListener('abort', this.#abort);
  }
}
