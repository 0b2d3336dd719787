import { readFileSync } from 'node:fs';
import { TextDecoder } from 'node:util';
import { ConfigError, type ConfigProblem } from './problem.ts';
import { parseYaml, type TreeNode } from './yaml-tree.ts';

const MAX_FILE_BYTES = 1024 * 1024;

/** The text as a mapping with places. Throws `ConfigError` when it is not YAML or not a mapping. */
export function readTree(text: string, file: string): TreeNode {
  const { root, problems } = parseYaml(text, file);
  if (problems.length > 0) throw new ConfigError(inFileOrder(problems));
  if (root === undefined) throw whole(file, 'the file is empty', '`sluice init` writes one to start from');
  if (root.type !== 'map') throw whole(file, 'the file must be a mapping that begins with "version: 1"');
  return root;
}

/** The text of a configuration file. Throws `ConfigError` when it cannot be read or is not UTF-8. */
export function readConfigText(file: string): string {
  let bytes: Buffer;
  try {
    bytes = readFileSync(file);
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code ?? 'unknown reason';
    if (code === 'ENOENT')
      throw whole(file, 'there is no such file', 'name another with --config, or run `sluice init`');
    throw whole(file, `the file cannot be read (${code})`);
  }
  if (bytes.length > MAX_FILE_BYTES) throw whole(file, 'the file is larger than 1 MiB');
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw whole(file, 'the file is not UTF-8 text');
  }
}

function whole(file: string, message: string, hint?: string): ConfigError {
  return new ConfigError([{ file, line: 1, column: 1, path: '', message, hint }]);
}

/** Problems from the top of the file to its end. */
export function inFileOrder(problems: readonly ConfigProblem[]): readonly ConfigProblem[] {
  return problems.toSorted((a, b) => a.line - b.line || a.column - b.column);
}
