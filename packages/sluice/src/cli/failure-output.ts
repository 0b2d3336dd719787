import { ConfigError, type ConfigProblem, formatProblem } from '../config/problem.ts';
import { asSluiceError, type SluiceError } from '../core/failure.ts';
import { redactUri } from '../settings/secret.ts';
import type { Terminal } from './terminal.ts';

/** An error as `--json` shows it. */
export interface FailureReport {
  readonly code: string;
  readonly message: string;
  /** Place in the configuration, when that is what is wrong. */
  readonly path?: string | undefined;
  readonly hint?: string | undefined;
  /** Every problem of a configuration, when that is what is wrong. */
  readonly problems?: readonly ConfigProblem[] | undefined;
}

/** Text with secrets taken out: credentials in URIs, and the given values wherever they stand. */
export function masker(secrets: readonly string[]): (text: string) => string {
  return (text) => secrets.reduce((masked, secret) => masked.replaceAll(secret, '***'), redactUri(text));
}

/** The value as one line of JSON, its texts masked; numbers and keys stay, whatever the secrets are. */
export function maskedJson(value: unknown, mask: (text: string) => string): string {
  return `${JSON.stringify(value, (_key, inner: unknown) => (typeof inner === 'string' ? mask(inner) : inner))}\n`;
}

/** The error in the form of the envelope, not yet masked. */
export function reportFailure(error: unknown): FailureReport {
  const failure = asSluiceError(error);
  const { code, message, hint } = failure;
  const base = { code, message, hint };
  if (!(failure instanceof ConfigError)) return base;
  return { ...base, path: failure.problems[0]?.path, problems: failure.problems };
}

/** Tells a person what failed and what to do. A bug also shows its stack. */
export function printFailure(error: unknown, terminal: Terminal, mask: (text: string) => string): void {
  const failure = asSluiceError(error);
  const { paintMessage } = terminal;
  if (failure instanceof ConfigError) return printProblems(failure, terminal, mask);
  terminal.message(`${paintMessage('red', 'error')}: ${mask(failure.message)} (${failure.code})\n`);
  if (failure.hint !== undefined) terminal.message(`${paintMessage('cyan', 'hint')}: ${mask(failure.hint)}\n`);
  if (failure.kind === 'internal') terminal.message(`${mask(stackOf(failure))}\n`);
}

function printProblems({ problems }: ConfigError, terminal: Terminal, mask: (text: string) => string): void {
  for (const problem of problems) {
    terminal.message(`${terminal.paintMessage('red', 'error')}: ${mask(formatProblem(problem))}\n`);
  }
}

function stackOf(failure: SluiceError): string {
  const { cause } = failure;
  return (cause instanceof Error ? cause.stack : failure.stack) ?? '';
}
