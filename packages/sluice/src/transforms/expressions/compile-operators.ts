import { arrayValue } from '../../bson/build-document.ts';
import { booleanValue, NULL_VALUE } from '../../bson/make-values.ts';
import { isMapping } from '../constants.ts';
import { TransformProblem, ValueProblem } from '../problem.ts';
import { regexOf } from '../regex.ts';
import { arrayOf } from './collections.ts';
import { type Arguments, callLibrary, LIBRARY, libraryProblem } from './library.ts';
import type { Names } from './names.ts';
import { SIMPLE_OPERATORS } from './operators.ts';
import { type Expression, elementsOf, isNullish, withVariable } from './scope.ts';
import { regexMatch, trim } from './texts.ts';
import { isTrue } from './values.ts';

/*
 * Operators that do not evaluate all of their arguments, evaluate them several times, or have names for them.
 */

type Compile = (body: unknown, names: Names) => Expression;

const NAMED: ReadonlyMap<string, Compile> = new Map<string, Compile>([
  ['$and', compileAnd],
  ['$or', compileOr],
  ['$cond', compileCond],
  ['$ifNull', compileIfNull],
  ['$switch', compileSwitch],
  ['$let', compileLet],
  ['$map', compileMap],
  ['$filter', compileFilter],
  ['$reduce', compileReduce],
  ['$trim', (body, names) => compileTrim('$trim', body, names)],
  ['$ltrim', (body, names) => compileTrim('$ltrim', body, names)],
  ['$rtrim', (body, names) => compileTrim('$rtrim', body, names)],
  ['$regexMatch', compileRegexMatch],
]);

/** Every operator that an expression may have. */
export const SUPPORTED: readonly string[] = [
  ...SIMPLE_OPERATORS.keys(),
  ...NAMED.keys(),
  ...LIBRARY.keys(),
  '$literal',
].toSorted();

/** One of the operators above, compiled; undefined when it is none of them. */
export function namedOperator(name: string, body: unknown, names: Names): Expression | undefined {
  return NAMED.get(name)?.(body, names);
}

/** An operator of the library, compiled; undefined when it is none. */
export function libraryOperator(name: string, body: unknown, names: Names): Expression | undefined {
  const operator = LIBRARY.get(name);
  if (operator === undefined) return undefined;
  const { takes, count } = operator;
  const [written, keys] = writtenArguments(name, takes, body);
  if (count !== undefined && written.length !== count) throw new TransformProblem(`${name} needs ${count} arguments`);
  const problem = libraryProblem(name, body);
  if (problem !== undefined) throw new TransformProblem(problem);
  const inputs = written.map((argument) => names.compile(argument, names));
  return (scope) =>
    callLibrary(
      name,
      takes,
      inputs.map((argument) => argument(scope)),
      keys,
    );
}

function writtenArguments(
  name: string,
  takes: Arguments,
  body: unknown,
): readonly [values: readonly unknown[], names: readonly string[]] {
  if (typeof takes === 'object') {
    const parts = partsOf(name, body, takes.required, takes.optional);
    return [Object.values(parts), Object.keys(parts)];
  }
  const list: readonly unknown[] = Array.isArray(body) ? body : [body];
  if (takes === 'one' && (list.length !== 1 || (isMapping(body) && 'timezone' in body))) {
    throw new TransformProblem(`${name} needs one argument`);
  }
  return [list, []];
}

/** The named arguments of an operator. */
function partsOf(
  name: string,
  body: unknown,
  required: readonly string[],
  optional: readonly string[] = [],
): Readonly<Record<string, unknown>> {
  if (!isMapping(body)) throw new TransformProblem(`${name} needs a mapping with ${required.join(', ')}`);
  const unknown = Object.keys(body).find((key) => !required.includes(key) && !optional.includes(key));
  const missing = required.find((key) => !(key in body));
  if (unknown !== undefined) throw new TransformProblem(`${name} has no argument "${unknown}" here`);
  if (missing !== undefined) throw new TransformProblem(`${name} needs "${missing}"`);
  return body;
}

function listOf(name: string, body: unknown): readonly unknown[] {
  if (!Array.isArray(body)) throw new TransformProblem(`${name} needs a list`);
  return body;
}

function compileAnd(body: unknown, names: Names): Expression {
  const conditions = listOf('$and', body).map((condition) => names.compile(condition, names));
  return (scope) => booleanValue(conditions.every((condition) => isTrue(condition(scope))));
}

function compileOr(body: unknown, names: Names): Expression {
  const conditions = listOf('$or', body).map((condition) => names.compile(condition, names));
  return (scope) => booleanValue(conditions.some((condition) => isTrue(condition(scope))));
}

function compileCond(body: unknown, names: Names): Expression {
  const parts = Array.isArray(body) ? body : condParts(partsOf('$cond', body, ['if', 'then', 'else']));
  if (parts.length !== 3) throw new TransformProblem('$cond needs if, then and else');
  const [condition, then, otherwise] = parts.map((part) => names.compile(part, names)) as [
    Expression,
    Expression,
    Expression,
  ];
  return (scope) => (isTrue(condition(scope)) ? then(scope) : otherwise(scope));
}

function condParts(parts: Readonly<Record<string, unknown>>): readonly unknown[] {
  return [parts['if'], parts['then'], parts['else']];
}

function compileIfNull(body: unknown, names: Names): Expression {
  const inputs = listOf('$ifNull', body).map((input) => names.compile(input, names));
  const last = inputs.pop();
  if (last === undefined || inputs.length === 0) throw new TransformProblem('$ifNull needs at least two arguments');
  return (scope) => {
    for (const input of inputs) {
      const value = input(scope);
      if (!isNullish(value)) return value;
    }
    return last(scope);
  };
}

function compileSwitch(body: unknown, names: Names): Expression {
  const parts = partsOf('$switch', body, ['branches'], ['default']);
  const branches = listOf('the branches of $switch', parts['branches']).map((branch) => {
    const { case: condition, then } = partsOf('a branch of $switch', branch, ['case', 'then']);
    return [names.compile(condition, names), names.compile(then, names)] as const;
  });
  const otherwise = 'default' in parts ? names.compile(parts['default'], names) : undefined;
  return (scope) => {
    for (const [condition, then] of branches) if (isTrue(condition(scope))) return then(scope);
    if (otherwise !== undefined) return otherwise(scope);
    throw new ValueProblem('no branch of $switch fits, and it has no default');
  };
}

function compileLet(body: unknown, names: Names): Expression {
  const parts = partsOf('$let', body, ['vars', 'in']);
  if (!isMapping(parts['vars'])) throw new TransformProblem('$let needs a mapping in vars');
  const variables = Object.entries(parts['vars']).map(
    ([name, value]) => [variableName(name), names.compile(value, names)] as const,
  );
  const inner = names.compile(parts['in'], withNames(names, ...variables.map(([name]) => name)));
  return (scope) => {
    let inside = scope;
    for (const [name, value] of variables) inside = withVariable(inside, name, value(scope));
    return inner(inside);
  };
}

function compileMap(body: unknown, names: Names): Expression {
  const parts = partsOf('$map', body, ['input', 'in'], ['as']);
  const as = variableName(parts['as'] ?? 'this');
  const input = names.compile(parts['input'], names);
  const inner = names.compile(parts['in'], withNames(names, as));
  return (scope) => {
    const array = input(scope);
    if (isNullish(array)) return NULL_VALUE;
    const elements = elementsOf(arrayOf('$map', array));
    return arrayValue(elements.map((element) => inner(withVariable(scope, as, element)) ?? NULL_VALUE));
  };
}

function compileFilter(body: unknown, names: Names): Expression {
  const parts = partsOf('$filter', body, ['input', 'cond'], ['as']);
  const as = variableName(parts['as'] ?? 'this');
  const input = names.compile(parts['input'], names);
  const condition = names.compile(parts['cond'], withNames(names, as));
  return (scope) => {
    const array = input(scope);
    if (isNullish(array)) return NULL_VALUE;
    const elements = elementsOf(arrayOf('$filter', array));
    return arrayValue(elements.filter((element) => isTrue(condition(withVariable(scope, as, element)))));
  };
}

function compileReduce(body: unknown, names: Names): Expression {
  const parts = partsOf('$reduce', body, ['input', 'initialValue', 'in']);
  const input = names.compile(parts['input'], names);
  const initial = names.compile(parts['initialValue'], names);
  const inner = names.compile(parts['in'], withNames(names, 'this', 'value'));
  return (scope) => {
    const array = input(scope);
    if (isNullish(array)) return NULL_VALUE;
    let value = initial(scope);
    for (const element of elementsOf(arrayOf('$reduce', array))) {
      value = inner(withVariable(withVariable(scope, 'this', element), 'value', value));
    }
    return value;
  };
}

function compileTrim(name: string, body: unknown, names: Names): Expression {
  const parts = partsOf(name, body, ['input'], ['chars']);
  const input = names.compile(parts['input'], names);
  const hasChars = 'chars' in parts;
  const chars = names.compile(parts['chars'] ?? null, names);
  return (scope) => trim(name, [input(scope), chars(scope)], hasChars);
}

function compileRegexMatch(body: unknown, names: Names): Expression {
  const parts = partsOf('$regexMatch', body, ['input', 'regex'], ['options']);
  const { regex, options = '' } = parts;
  if (typeof regex !== 'string' || regex.startsWith('$') || typeof options !== 'string') {
    throw new TransformProblem('$regexMatch needs a regex, and options, that are written out as text');
  }
  const pattern = regexOf(regex, options);
  const input = names.compile(parts['input'], names);
  return (scope) => regexMatch(pattern, [input(scope)]);
}

function withNames(names: Names, ...added: readonly string[]): Names {
  return { ...names, variables: [...names.variables, ...added] };
}

function variableName(name: unknown): string {
  if (typeof name === 'string' && /^[a-z][a-zA-Z0-9_]*$/.test(name)) return name;
  throw new TransformProblem('a variable must have a name that begins with a small letter');
}
