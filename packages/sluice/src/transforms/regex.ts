import { TransformProblem } from './problem.ts';

/** The regular expression as JavaScript has it; refused when it has no such form, so that nothing is understood differently. */
export function regexOf(pattern: string, options: string): RegExp {
  const unknown = Array.from(options).find((option) => !'imsu'.includes(option));
  if (unknown !== undefined) {
    throw new TransformProblem(`the option "${unknown}" of a regular expression is not supported`, 'use i, m and s');
  }
  const flags = Array.from(new Set(`${options}u`)).join('');
  try {
    return new RegExp(pattern, flags);
  } catch {
    throw new TransformProblem(
      `the regular expression /${pattern}/ has no equal in JavaScript`,
      'write it without possessive quantifiers, \\A, \\Z, (?i) and needless backslashes',
    );
  }
}
