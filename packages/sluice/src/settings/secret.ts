const MASK = '***';

/** A string that prints as `***` everywhere: text, JSON, inspect, template literals. Only `reveal` gives the value. */
export class Secret {
  readonly #value: string;

  constructor(value: string) {
    this.#value = value;
  }

  /** The value itself; for the call that needs it, never for a message. */
  reveal(): string {
    return this.#value;
  }

  toString(): string {
    return MASK;
  }

  toJSON(): string {
    return MASK;
  }

  [Symbol.toPrimitive](): string {
    return MASK;
  }

  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return MASK;
  }
}

/** Up to the last `@` of the word: a password with an unescaped `/`, `?` or `@` must not escape the mask. */
const USER_INFO = /\b([a-z][a-z0-9+.-]*:\/\/)[^\s"'<>]*@/gi;
const SECRET_PARAMETER = /([?&](?:[^\s"'=&]*(?:password|secret|token|key)|authMechanismProperties)=)[^\s"'&]*/gi;

/**
 * The text with the user and password of every URI in it replaced by `***`, and so the query parameters that hold
 * secrets. Hosts, database names and other parameters stay readable.
 */
export function redactUri(text: string): string {
  return text.replace(USER_INFO, `$1${MASK}@`).replace(SECRET_PARAMETER, `$1${MASK}`);
}
