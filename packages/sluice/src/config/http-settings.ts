import { readFileSync } from 'node:fs';
import type { HttpConfig } from './config.ts';
import { issueMessage, problemsOf } from './issues.ts';
import { prepare } from './prepare.ts';
import { ConfigError } from './problem.ts';
import { fileReader } from './reference-file.ts';
import { httpSchema } from './schema.ts';
import { parseYaml, type TreeNode } from './yaml-tree.ts';

/** Where to find the HTTP endpoint of a running process. */
export interface HttpSettingsOptions {
  readonly file: string;
  readonly env: Readonly<Record<string, string | undefined>>;
}

/**
 * The `http` section of a file alone: who only asks a running process needs none of the secrets of its pipelines.
 * The defaults when there is no such file; throws `ConfigError` when the section is wrong.
 */
export function loadHttpSettings({ file, env }: HttpSettingsOptions): HttpConfig {
  const section = httpSection(file);
  const place = { line: 1, column: 1 };
  const root: TreeNode = section ?? { type: 'map', entries: new Map(), place };
  const prepared = prepare(root, { file, schema: httpSchema, sources: { env, readFile: fileReader(file) } });
  const parsed = httpSchema.safeParse(prepared.value, { error: issueMessage });
  const problems = [
    ...prepared.problems,
    ...problemsOf(parsed.error?.issues ?? [], { file, schema: httpSchema, prepared }),
  ];
  if (!parsed.success || problems.length > 0) {
    throw new ConfigError(problems.map((problem) => ({ ...problem, path: `http.${problem.path}` })));
  }
  return { listen: parsed.data.listen, token: parsed.data.token };
}

function httpSection(file: string): TreeNode | undefined {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch {
    return undefined;
  }
  const { root, problems } = parseYaml(text, file);
  if (problems.length > 0) throw new ConfigError(problems);
  const section = root?.type === 'map' ? root.entries.get('http')?.value : undefined;
  return section?.type === 'map' ? section : undefined;
}
