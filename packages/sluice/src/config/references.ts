import { SluiceError } from '../core/failure.ts';

/** Where references get their values. */
export interface ReferenceSources {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Text of a file; relative paths are the reader's business. Throws when it cannot be read. */
  readFile(path: string): string;
}

/** A scalar after its references were replaced. */
export interface ResolvedText {
  readonly text: string;
  /** How many references it had. */
  readonly references: number;
  /** What the references gave, for masking. */
  readonly values: readonly string[];
}

const START = '\u0024{';
const REFERENCE = /\$(\$?)\{([^}]*)\}?/g;
const ENV_NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;

/**
 * Replaces `${env:NAME}`, `${env:NAME:-default}` and `${file:path}` in one scalar, once: what comes in is not looked
 * at again. `$${` gives a literal `${`. Throws `config.reference` with what to do.
 */
export function resolveReferences(text: string, sources: ReferenceSources): ResolvedText {
  if (!text.includes(START)) return { text, references: 0, values: [] };
  const values: string[] = [];
  const resolved = text.replace(REFERENCE, (whole: string, escaped: string, body: string) => {
    if (escaped !== '') return whole.slice(1);
    if (!whole.endsWith('}')) throw unresolved(`the reference ${whole} has no closing brace`);
    const value = resolveOne(body, sources);
    values.push(value);
    return value;
  });
  return { text: resolved, references: values.length, values };
}

function resolveOne(body: string, sources: ReferenceSources): string {
  if (body.startsWith('env:')) return fromEnvironment(body.slice('env:'.length), sources);
  if (body.startsWith('file:')) return fromFile(body.slice('file:'.length), sources);
  const hint = ENV_NAME.test(body) ? `write ${START}env:${body}}` : `write ${START}env:NAME} or ${START}file:path}`;
  throw unresolved(`${START}${body}} is not a reference that is known`, hint);
}

function fromEnvironment(body: string, { env }: ReferenceSources): string {
  const [, name = '', fallback] = /^(.*?)(?::-(.*))?$/s.exec(body) ?? [];
  if (!ENV_NAME.test(name)) {
    throw unresolved(`"${name}" is not the name of an environment variable`, 'use letters, digits and "_"');
  }
  const value = env[name];
  if (value !== undefined && value !== '') return value;
  if (fallback !== undefined) return fallback;
  const state = value === undefined ? 'not set' : 'empty';
  throw unresolved(`the environment variable ${name} is ${state}`, `set ${name} before starting sluice`);
}

function fromFile(path: string, sources: ReferenceSources): string {
  if (path === '') throw unresolved('the reference names no file', `write ${START}file:path}`);
  let text: string;
  try {
    text = sources.readFile(path);
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code;
    const why = code ?? (cause instanceof Error ? cause.message : 'unknown reason');
    throw unresolved(`the file ${path} cannot be read (${why})`, 'create it, or make it readable for this user', cause);
  }
  const value = text.replace(/\r?\n$/, '');
  if (value !== '') return value;
  throw unresolved(`the file ${path} is empty`, 'write the value into it');
}

function unresolved(message: string, hint?: string, cause?: unknown): SluiceError {
  return new SluiceError(message, { kind: 'config', code: 'config.reference', hint, cause });
}

/** A character that no configuration contains; stands for "came from a reference". */
const PLACEHOLDER = '\u0001';
const SECRET_PARAMETER = /[?&](?:[^=&]*(?:password|secret|token|key)|authMechanismProperties)=([^&]*)/gi;

/** Why this text must not stand in the file as the value of a secret; undefined when it is one reference. */
export function literalSecret(raw: string): string | undefined {
  const reference = /^\$\{(?:env:([^}]*)|file:[^}]+)\}$/.exec(raw);
  if (reference === null) return 'a secret must not be written into the file';
  if (/:-./s.test(reference[1] ?? '')) return 'a secret must not have a default in the file';
  return undefined;
}

/** Why this connection string must not stand in the file: a password in it that is not a reference. */
export function literalPassword(raw: string): string | undefined {
  const defaults = [...raw.matchAll(REFERENCE)].map((match) => /:-(.*)$/s.exec(match[2] ?? '')?.[1] ?? '');
  const texts = [raw.replace(REFERENCE, PLACEHOLDER), ...defaults];
  return texts.some(hasPassword) ? 'a password must not be written into the file' : undefined;
}

function hasPassword(text: string): boolean {
  const userInfo = /:\/\/([^\s]*)@/.exec(text)?.[1];
  const password = userInfo?.includes(':') ? userInfo.slice(userInfo.indexOf(':') + 1) : '';
  if (isLiteral(password)) return true;
  return [...text.matchAll(SECRET_PARAMETER)].some((match) => isLiteral(match[1] ?? ''));
}

function isLiteral(text: string): boolean {
  return text.replaceAll(PLACEHOLDER, '') !== '';
}
