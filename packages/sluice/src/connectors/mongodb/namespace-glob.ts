/*
 * Patterns over `database.collection`:
 *   *      any run of characters, dots included (a database name has none)
 *   ?      one character
 *   {a,b}  one of the alternatives
 *   \x     the character x itself
 * Nothing else is special; `[ ] ( ) !` must be written with a backslash, so that nobody takes them for more than that.
 * The first dot outside braces separates the database from the collection.
 */

/** One pattern without alternatives: a glob for the database and one for the collection. */
export interface NamespaceGlob {
  readonly db: string;
  readonly coll: string;
}

/** What is wrong with a pattern, in words for the person who wrote it. */
export class GlobError extends Error {}

const MAX_ALTERNATIVES = 1000;
const MAX_STARS = 10;
const NOT_SUPPORTED = '[]()!';

/** The globs a pattern stands for, its `{a,b}` written out. Throws `GlobError`. */
export function parseNamespacePattern(pattern: string): readonly NamespaceGlob[] {
  return expandBraces(pattern).map((text) => splitAtDot(text, pattern));
}

/** True when the glob matches only one text. */
export function isLiteral(glob: string): boolean {
  return tokensOf(glob).every((token) => token.kind === 'text');
}

/** The text of a literal glob, its backslashes taken away. */
export function literalText(glob: string): string {
  return tokensOf(glob)
    .map((token) => token.text)
    .join('');
}

/**
 * The glob as a PCRE pattern for the option `s`, without anchors. Between two stars the leftmost match is always right,
 * so those parts are atomic groups: matching takes linear time on any text.
 */
export function globToRegex(glob: string): string {
  const parts = splitAtStars(tokensOf(glob)).map((part) => part.map(tokenToRegex).join(''));
  const [head = '', ...rest] = parts;
  const tail = rest.pop();
  if (tail === undefined) return head;
  return `${head}${rest.map((part) => `(?>.*?${part})`).join('')}.*${tail}`;
}

/** Whether the glob matches the whole text; the same answer as the server's with `globToRegex`. Linear per star. */
export function globMatches(glob: string, text: string): boolean {
  const parts = splitAtStars(tokensOf(glob));
  const characters = Array.from(text);
  const head = parts.shift() ?? [];
  const tail = parts.pop();
  if (!matchesAt(head, characters, 0)) return false;
  if (tail === undefined) return characters.length === head.length;
  let at = head.length;
  for (const part of parts) {
    while (at + part.length <= characters.length && !matchesAt(part, characters, at)) at++;
    at += part.length;
  }
  const tailAt = characters.length - tail.length;
  return at <= tailAt && matchesAt(tail, characters, tailAt);
}

interface Token {
  readonly kind: 'text' | 'one' | 'any';
  readonly text: string;
}

function tokensOf(glob: string): Token[] {
  const tokens: Token[] = [];
  let escaped = false;
  for (const character of glob) {
    if (escaped || !'*?\\'.includes(character)) tokens.push({ kind: 'text', text: character });
    else if (character === '*') tokens.push({ kind: 'any', text: '' });
    else if (character === '?') tokens.push({ kind: 'one', text: '' });
    escaped = !escaped && character === '\\';
  }
  return tokens;
}

/** The runs of tokens between the stars; neighbouring stars count as one. */
function splitAtStars(tokens: readonly Token[]): Token[][] {
  const parts: Token[][] = [[]];
  tokens.forEach((token, index) => {
    if (token.kind !== 'any') parts.at(-1)?.push(token);
    else if (tokens[index - 1]?.kind !== 'any') parts.push([]);
  });
  return parts;
}

function tokenToRegex(token: Token): string {
  return token.kind === 'one' ? '.' : token.text.replace(/[\\^$.|?*+()[\]{}/-]/g, '\\$&');
}

function matchesAt(tokens: readonly Token[], characters: readonly string[], at: number): boolean {
  if (at + tokens.length > characters.length) return false;
  return tokens.every((token, index) => token.kind === 'one' || token.text === characters[at + index]);
}

/** Writes the alternatives out, innermost last; `a{b,c}d` becomes `abd` and `acd`. */
function expandBraces(pattern: string): string[] {
  const group = firstGroup(pattern);
  if (group === undefined) return [pattern];
  const { start, end, alternatives } = group;
  const expanded = alternatives.flatMap((alternative) =>
    expandBraces(pattern.slice(0, start) + alternative + pattern.slice(end)),
  );
  if (expanded.length > MAX_ALTERNATIVES) {
    throw new GlobError(`stands for more than ${MAX_ALTERNATIVES} alternatives; write a * or several patterns`);
  }
  return expanded;
}

interface Group {
  readonly start: number;
  readonly end: number;
  readonly alternatives: readonly string[];
}

function firstGroup(pattern: string): Group | undefined {
  let depth = 0;
  let start = -1;
  let from = 0;
  const alternatives: string[] = [];
  for (let at = 0; at < pattern.length; at++) {
    const character = pattern[at];
    if (character === '\\') at++;
    else if (character === '{' && depth++ === 0) {
      start = at;
      from = at + 1;
    } else if (character === ',' && depth === 1) {
      alternatives.push(pattern.slice(from, at));
      from = at + 1;
    } else if (character === '}') {
      depth--;
      if (depth < 0) throw new GlobError('has a } without its {; write \\} for the character itself');
      if (depth === 0) return { start, end: at + 1, alternatives: [...alternatives, pattern.slice(from, at)] };
    }
  }
  if (depth > 0) throw new GlobError('has a { without its }; write \\{ for the character itself');
  return undefined;
}

function splitAtDot(text: string, pattern: string): NamespaceGlob {
  const dot = text.indexOf('.');
  if (dot < 0) throw new GlobError(`names no collection; write "${pattern}.*" for all of a database`);
  const glob = { db: text.slice(0, dot), coll: text.slice(dot + 1) };
  if (glob.db === '' || glob.coll === '') throw new GlobError('must be "database.collection"');
  if (/\s/.test(glob.db)) throw new GlobError('has a space in the database name');
  for (const part of [glob.db, glob.coll]) refuseOtherSyntax(part);
  return glob;
}

function refuseOtherSyntax(glob: string): void {
  for (let at = 0; at < glob.length; at++) {
    const character = glob[at] ?? '';
    if (character === '\\') at++;
    else if (NOT_SUPPORTED.includes(character)) {
      throw new GlobError(
        `uses "${character}", which is not special here; write "\\${character}" for the character itself`,
      );
    }
    if (character === '\\' && at >= glob.length) throw new GlobError('ends with a backslash');
  }
  if (glob.includes('\0')) throw new GlobError('contains a NUL character');
  if (tokensOf(glob).filter((token) => token.kind === 'any').length > MAX_STARS) {
    throw new GlobError(`has more than ${MAX_STARS} stars in one name`);
  }
}
