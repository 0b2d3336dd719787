import { arrayValue, documentValue } from '../../bson/build-document.ts';
import { dateValue, NULL_VALUE } from '../../bson/make-values.ts';
import { constant, isExtended, isMapping } from '../constants.ts';
import { TransformProblem } from '../problem.ts';
import { libraryOperator, namedOperator, SUPPORTED } from './compile-operators.ts';
import type { Names, Reachable } from './names.ts';
import { SIMPLE_OPERATORS } from './operators.ts';
import { type Expression, type Scope, type Value, type Variables, valueAt } from './scope.ts';

/** Compiles an aggregation expression. Throws `TransformProblem` for what is not supported. */
export function compileExpression(written: unknown, reachable: Reachable): Expression {
  return compile(written, { ...reachable, compile });
}

function compile(written: unknown, names: Names): Expression {
  if (typeof written === 'string' && written.startsWith('$')) return compilePath(written, names);
  if (Array.isArray(written)) return compileArray(written, names);
  if (isMapping(written) && !isExtended(written)) return compileMapping(written, names);
  const value = constant(written);
  return () => value;
}

function compileArray(written: readonly unknown[], names: Names): Expression {
  const elements = written.map((element) => compile(element, names));
  return (scope) => arrayValue(elements.map((element) => element(scope) ?? NULL_VALUE));
}

function compileMapping(written: Readonly<Record<string, unknown>>, names: Names): Expression {
  const keys = Object.keys(written);
  const operator = keys.find((key) => key.startsWith('$'));
  if (operator !== undefined) {
    if (keys.length > 1) throw new TransformProblem(`${operator} must be the only key of its mapping`);
    return compileOperator(operator, written[operator], names);
  }
  const dotted = keys.find((key) => key.includes('.') || key === '');
  if (dotted !== undefined) throw new TransformProblem(`"${dotted}" cannot be the name of a field in an expression`);
  const fields = keys.map((key) => [key, compile(written[key], names)] as const);
  return (scope) => documentValue(fields.map(([key, field]) => [key, field(scope)] as const));
}

function compileOperator(name: string, body: unknown, names: Names): Expression {
  if (name === '$literal') {
    const value = constant(body);
    return () => value;
  }
  const simple = SIMPLE_OPERATORS.get(name);
  if (simple === undefined) {
    const compiled = namedOperator(name, body, names) ?? libraryOperator(name, body, names);
    if (compiled !== undefined) return compiled;
    throw new TransformProblem(`the operator ${name} is not supported`, `supported are ${SUPPORTED.join(', ')}`);
  }
  const written: readonly unknown[] = Array.isArray(body) ? body : [body];
  const { min, max, call } = simple;
  if (written.length < min || written.length > max) {
    throw new TransformProblem(
      `${name} needs ${min === max ? min : `${min} to ${max}`} arguments, not ${written.length}`,
    );
  }
  const inputs = written.map((argument) => compile(argument, names));
  return (scope) => call(inputs.map((argument) => argument(scope)));
}

function compilePath(written: string, names: Names): Expression {
  const variable = written.startsWith('$$');
  const parts = written.slice(variable ? 2 : 1).split('.');
  if (parts.includes('') || parts.some((part) => part.startsWith('$'))) {
    throw new TransformProblem(`"${written}" is not a path`, 'a text that begins with $ must be in { $literal: … }');
  }
  const [first, ...rest] = parts as [string, ...string[]];
  if (variable) return compileVariable(first, rest, names);
  checkField(written, first, names.fields);
  return ({ current }) => valueAt(current.get(first), rest);
}

function checkField(written: string, first: string, fields: readonly string[] | undefined): void {
  if (fields === undefined || fields.includes(first)) return;
  throw new TransformProblem(
    `"${written}": an event has no field "${first}"`,
    `the fields of the document are below after and before, such as "$after.${first}"; an event has ${fields.join(', ')}`,
  );
}

function compileVariable(name: string, path: readonly string[], names: Names): Expression {
  if (names.variables.includes(name)) return ({ variables }) => valueAt(lookUp(variables, name), path);
  const verdict = path.length === 0 ? names.verdicts?.get(name) : undefined;
  if (verdict !== undefined) return () => verdict;
  switch (name) {
    case 'ROOT':
    case 'CURRENT': {
      const [first, ...rest] = path;
      const key = name === 'ROOT' ? 'root' : 'current';
      if (first === undefined) return (scope) => scope[key].whole();
      if (name === 'ROOT' && names.fields !== undefined) checkField(`$$ROOT.${path.join('.')}`, first, names.fields);
      return (scope) => valueAt(scope[key].get(first), rest);
    }
    case 'REMOVE':
      return () => undefined;
    case 'NOW':
      return ({ nowMs }: Scope) => (path.length === 0 ? dateValue(BigInt(nowMs)) : undefined);
    default:
      throw new TransformProblem(
        `there is no variable $$${name}`,
        `there are $$ROOT, $$CURRENT, $$REMOVE, $$NOW${names.variables.map((known) => `, $$${known}`).join('')}`,
      );
  }
}

function lookUp(variables: Variables | undefined, name: string): Value {
  for (let at = variables; at !== undefined; at = at.outer) if (at.name === name) return at.value;
  return undefined;
}
