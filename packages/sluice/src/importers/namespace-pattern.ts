/** A name as part of a namespace pattern, its special characters escaped. */
export function literalPattern(name: string): string {
  return name.replaceAll(/[\\*?{},[\]()!]/g, String.raw`\$&`);
}

/** The pattern for a database and a collection; what is not given is any. */
export function namespacePattern(database: string | undefined, collection: string | undefined): string {
  const db = database === undefined ? '*' : literalPattern(database);
  return `${db}.${collection === undefined ? '*' : literalPattern(collection)}`;
}

const SPECIAL = '\\^$.|?*+()[]{}';

/**
 * A regular expression over `database.collection` as namespace patterns that match the same names; undefined when there
 * are none. The first dot separates the names. Known: literal text, `\.`, `.*`, `.`, `[abc]`, `(a|b)`.
 */
export function regexToPatterns(regex: string): readonly string[] | undefined {
  const body = regex
    .trim()
    .replace(/^\^/, '')
    .replace(/(?<!\\)\$$/, '');
  const parser = new PatternParser(body);
  const pattern = parser.parse();
  if (pattern === undefined || body === '' || !parser.separated || parser.starsBeforeDot > 1) return undefined;
  // A collection may have dots in its name: `.*` then reaches over the one that ends the database.
  return parser.starsBeforeDot === 0 ? [pattern] : [pattern, pattern.replace('*', '*.*')];
}

class PatternParser {
  readonly #regex: string;
  #at = 0;
  #depth = 0;
  separated = false;
  starsBeforeDot = 0;

  constructor(regex: string) {
    this.#regex = regex;
  }

  /** Undefined when a part has no equal. */
  parse(): string | undefined {
    let pattern = '';
    while (this.#at < this.#regex.length) {
      const part = this.#part();
      if (part === undefined) return undefined;
      pattern += part;
    }
    return this.#depth === 0 ? pattern : undefined;
  }

  #part(): string | undefined {
    const character = this.#regex[this.#at++] ?? '';
    const next = this.#regex[this.#at] ?? '';
    if (character === '\\') return this.#escaped();
    if (character === '.') return this.#dot(next);
    if (character === '(') return this.#open();
    if (character === '|' && this.#depth > 0) return ',';
    if (character === ')' && this.#depth > 0) return this.#close(next);
    if (character === '[') return this.#class();
    if (SPECIAL.includes(character) || this.#isQuantifier(next)) return undefined;
    return literalPattern(character);
  }

  #escaped(): string | undefined {
    const character = this.#regex[this.#at++] ?? '';
    if (character === '' || /[a-zA-Z0-9]/.test(character) || this.#isQuantifier(this.#regex[this.#at]))
      return undefined;
    if (character === '.') this.#separate();
    return literalPattern(character);
  }

  /** `.*` is any text; the first single dot is meant as the separator, a later one is any character. */
  #dot(next: string): string | undefined {
    if (next === '*') {
      this.#at++;
      if (!this.separated) this.starsBeforeDot++;
      return this.#isQuantifier(this.#regex[this.#at]) ? undefined : '*';
    }
    if (this.#isQuantifier(next)) return undefined;
    return this.#separate() ? '.' : '?';
  }

  #separate(): boolean {
    if (this.separated || this.#depth > 0) return false;
    this.separated = true;
    return true;
  }

  #open(): string | undefined {
    if (this.#regex.startsWith('?:', this.#at)) this.#at += 2;
    else if (this.#regex[this.#at] === '?') return undefined;
    this.#depth++;
    return '{';
  }

  #close(next: string): string | undefined {
    this.#depth--;
    return this.#isQuantifier(next) ? undefined : '}';
  }

  #class(): string | undefined {
    const end = this.#regex.indexOf(']', this.#at);
    const characters = end < 0 ? '' : this.#regex.slice(this.#at, end);
    if (!/^[a-zA-Z0-9_]+$/.test(characters) || this.#isQuantifier(this.#regex[end + 1])) return undefined;
    this.#at = end + 1;
    return `{${Array.from(characters).join(',')}}`;
  }

  #isQuantifier(character: string | undefined): boolean {
    return character !== undefined && character !== '' && '*+?{'.includes(character);
  }
}
