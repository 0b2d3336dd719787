import { redactUri } from '../settings/secret.ts';
import type { ImportEntry, Outcome } from './import-result.ts';

/** Settings by name, as a file of another tool has them. */
export type Options = Readonly<Record<string, string>>;

const SECRET_NAME = /password|secret|token$|jaas|credential|passphrase|private.?key|basic\.auth/i;
const MASK = '***';
const LONGEST_VALUE = 200;

/** What is known about an option without looking at the others. */
export type Known = readonly [outcome: Outcome, reason: string];

/** The options of one input, and what became of each. Every option ends in the report, in the order of the input. */
export class Ledger {
  readonly #options: Options;
  readonly #entries = new Map<string, ImportEntry>();
  readonly #extra: ImportEntry[] = [];

  constructor(options: Options) {
    this.#options = options;
  }

  /** The value of an option without space around it; undefined when it is not there or empty. */
  text(option: string): string | undefined {
    const value = this.#options[option]?.trim();
    return value === '' ? undefined : value;
  }

  /** True for `true`; `fallback` when it is not there. */
  flag(option: string, fallback: boolean): boolean {
    const value = this.text(option)?.toLowerCase();
    return value === undefined ? fallback : value === 'true';
  }

  has(option: string): boolean {
    return Object.hasOwn(this.#options, option);
  }

  /** Notes what became of an option; nothing when the input does not have it. The first note holds. */
  note(option: string, outcome: Outcome, reason: string, to?: string): void {
    if (!this.has(option) || this.#entries.has(option)) return;
    this.#entries.set(option, { option, value: shown(option, this.#options[option] ?? ''), outcome, to, reason });
  }

  mapped(option: string, to: string, reason = ''): void {
    this.note(option, 'mapped', reason, to);
  }

  /** Notes something that the input does not say but that matters. */
  remark(option: string, outcome: Outcome, reason: string, to?: string): void {
    this.#extra.push({ option, value: '', outcome, to, reason });
  }

  /** Notes what is known of the options that nothing was noted for yet; `prefixes` hold for names that begin so. */
  noteKnown(known: Readonly<Record<string, Known>>, prefixes: Readonly<Record<string, Known>> = {}): void {
    for (const option of this.names()) {
      const prefix = Object.keys(prefixes).find((start) => option.startsWith(start));
      const found = Object.hasOwn(known, option) ? known[option] : prefix === undefined ? undefined : prefixes[prefix];
      if (found !== undefined) this.note(option, ...found);
    }
  }

  names(): readonly string[] {
    return Object.keys(this.#options);
  }

  /** The whole report; options that nobody noted are not supported. */
  report(): readonly ImportEntry[] {
    for (const option of this.names()) this.note(option, 'not-supported', 'unknown');
    return [...this.names().map((option) => this.#entries.get(option) as ImportEntry), ...this.#extra];
  }
}

/** A value as a report may show it. */
function shown(option: string, value: string): string {
  if (value === '') return '';
  if (SECRET_NAME.test(option)) return MASK;
  const text = redactUri(value.replaceAll(/\s+/g, ' ').trim());
  return text.length > LONGEST_VALUE ? `${text.slice(0, LONGEST_VALUE)}…` : text;
}
