import { SluiceError } from '../../core/failure.ts';

/** Lets passing errors pass, as long as they do not go on for longer than the limit. */
export class Patience {
  readonly #limitMs: number;
  #sinceMs: number | undefined;

  constructor(limitMs: number) {
    this.#limitMs = limitMs;
  }

  /** Something worked. */
  restored(): void {
    this.#sinceMs = undefined;
  }

  /** Throws the error when it is not a passing one, or when nothing has worked for too long. */
  lose(error: unknown): void {
    this.#sinceMs ??= performance.now();
    const passing = error instanceof SluiceError && error.kind === 'transient';
    if (!passing || performance.now() - this.#sinceMs > this.#limitMs) throw error;
  }
}
