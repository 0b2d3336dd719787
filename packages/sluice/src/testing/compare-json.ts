/** A number as it stands in a JSON text, because parsing it as a double would lose digits. */
export class NumberText {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

/** A double, which a target may write with other digits that mean the same double. */
export class ExpectedDouble {
  readonly value: number;

  constructor(value: number) {
    this.value = value;
  }
}

/** A text of which only the form is known. */
export class ExpectedForm {
  readonly pattern: RegExp;

  constructor(pattern: RegExp) {
    this.pattern = pattern;
  }
}

/** What a JSON text holds. */
export type FoundJson = null | boolean | string | NumberText | readonly FoundJson[] | FoundObject;
interface FoundObject {
  readonly [name: string]: FoundJson;
}

/** What a target ought to hold. */
export type ExpectedJson =
  | null
  | boolean
  | string
  | NumberText
  | ExpectedDouble
  | ExpectedForm
  | readonly ExpectedJson[]
  | ReadonlyMap<string, ExpectedJson>;

/** Parses JSON with every digit of its numbers. */
export function parseExactJson(text: string): FoundJson {
  // TypeScript's library does not have the third argument yet.
  const reviver = (_name: string, value: unknown, context?: { readonly source?: string }): unknown =>
    typeof value === 'number' ? new NumberText(context?.source ?? String(value)) : value;
  return JSON.parse(text, reviver) as FoundJson;
}

/**
 * Where the two differ, as `path: expected …, found …`; undefined when they are equal: numbers by value, whatever way they
 * are written, objects whatever the order of their fields.
 */
export function jsonDifference(expected: ExpectedJson, found: FoundJson | undefined, path = ''): string | undefined {
  if (expected instanceof Map && isObject(found)) return fieldDifference(expected, found, path);
  if (isList(expected) && isList(found)) return elementDifference(expected, found, path);
  return found !== undefined && sameScalar(expected, found) ? undefined : describe(path, expected, found);
}

function fieldDifference(
  expected: ReadonlyMap<string, ExpectedJson>,
  found: FoundObject,
  path: string,
): string | undefined {
  for (const [name, value] of expected) {
    const difference = jsonDifference(value, Object.hasOwn(found, name) ? found[name] : undefined, `${path}.${name}`);
    if (difference !== undefined) return difference;
  }
  const more = Object.keys(found).find((name) => !expected.has(name));
  return more === undefined ? undefined : `${path}.${more}: expected no such field`;
}

function elementDifference(
  expected: readonly ExpectedJson[],
  found: readonly FoundJson[],
  path: string,
): string | undefined {
  if (expected.length !== found.length) return `${path}: expected ${expected.length} elements, found ${found.length}`;
  for (const [index, value] of expected.entries()) {
    const difference = jsonDifference(value, found[index], `${path}[${index}]`);
    if (difference !== undefined) return difference;
  }
  return undefined;
}

function sameScalar(expected: ExpectedJson, found: FoundJson): boolean {
  if (expected instanceof ExpectedForm) return typeof found === 'string' && expected.pattern.test(found);
  if (!(found instanceof NumberText)) return expected === found;
  // Both zeros are one number.
  if (expected instanceof ExpectedDouble) return Number(found.text) === expected.value;
  return expected instanceof NumberText && exactNumber(expected.text) === exactNumber(found.text);
}

/** One text for all ways to write a number: digits without zeros at either end, and the exponent. */
export function exactNumber(text: string): string {
  const parts = /^([+-]?)(\d*)\.?(\d*)(?:e([+-]?\d+))?$/i.exec(text.trim());
  if (parts === null) return text;
  const [, sign = '', whole = '', fraction = '', exponent = '0'] = parts;
  const digits = (whole + fraction).replace(/^0+/, '');
  const significant = digits.replace(/0+$/, '');
  if (significant === '') return '0';
  const power = Number(exponent) - fraction.length + digits.length - significant.length;
  return `${sign === '-' ? '-' : ''}${significant}e${power}`;
}

const isList = (value: unknown): value is readonly never[] => Array.isArray(value);

function isObject(value: FoundJson | undefined): value is FoundObject {
  return typeof value === 'object' && value !== null && !isList(value) && !(value instanceof NumberText);
}

function describe(path: string, expected: ExpectedJson, found: FoundJson | undefined): string {
  return `${path}: expected ${show(expected)}, found ${found === undefined ? 'nothing' : show(found)}`;
}

const MOST_SHOWN = 80;

function show(value: ExpectedJson | FoundJson): string {
  const text = JSON.stringify(value, (_name, part: unknown) => {
    if (part instanceof NumberText) return `number ${part.text}`;
    if (part instanceof ExpectedDouble) return `number ${part.value}`;
    if (part instanceof ExpectedForm) return String(part.pattern);
    return part instanceof Map ? Object.fromEntries(part) : part;
  });
  return text.length > MOST_SHOWN ? `${text.slice(0, MOST_SHOWN)}…` : text;
}
