import { SluiceError } from '../core/failure.ts';

/** Keys and indexes from the root of the file to a value. */
export type ConfigPath = readonly (string | number)[];

/** One thing that is wrong in a configuration file, and where. Never contains a resolved secret. */
export interface ConfigProblem {
  readonly file: string;
  /** From 1. */
  readonly line: number;
  /** From 1. */
  readonly column: number;
  /** `pipelines.orders.sink`; empty for the file as a whole. */
  readonly path: string;
  readonly message: string;
  /** What to write instead. */
  readonly hint?: string | undefined;
}

/** Everything that is wrong in a configuration, at once. */
export class ConfigError extends SluiceError {
  readonly problems: readonly ConfigProblem[];

  constructor(problems: readonly ConfigProblem[]) {
    super(problems.map(formatProblem).join('\n'), { kind: 'config', code: 'config.invalid', hint: problems[0]?.hint });
    this.name = 'ConfigError';
    this.problems = problems;
  }
}

/** `file:line:column: path: message; hint`. */
export function formatProblem(problem: ConfigProblem): string {
  const { file, line, column, path, message, hint } = problem;
  const where = path === '' ? '' : `${path}: `;
  return `${file}:${line}:${column}: ${where}${message}${hint === undefined ? '' : `; ${hint}`}`;
}

/** `pipelines.orders.source.mongodb.include[0]`; keys that are not plain words are quoted. */
export function formatPath(path: ConfigPath): string {
  let text = '';
  for (const step of path) {
    if (typeof step === 'number') text += `[${step}]`;
    else if (/^[\w-]+$/.test(step)) text += text === '' ? step : `.${step}`;
    else text += `[${JSON.stringify(step)}]`;
  }
  return text;
}
