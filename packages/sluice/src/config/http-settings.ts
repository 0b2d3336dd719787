import { existsSync } from 'node:fs';
import type { HttpConfig } from './config.ts';
import { issueMessage, problemsOf } from './issues.ts';
import { prepare } from './prepare.ts';
import { ConfigError } from './problem.ts';
import { readConfigText, readTree } from './read-file.ts';
import { fileReader } from './reference-file.ts';
import { httpSchema } from './schema.ts';
import type { TreeNode } from './yaml-tree.ts';

/** Where to find the HTTP endpoint of a running process. */
export interface HttpSettingsOptions {
  readonly file: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** True: without the file the defaults hold. */
  readonly mayBeMissing: boolean;
}

/**
 * The `http` section of a file alone: who only asks a running process needs none of the secrets of its pipelines.
 * Throws `ConfigError` when the file or the section is wrong.
 */
export function loadHttpSettings({ file, env, mayBeMissing }: HttpSettingsOptions): HttpConfig {
  const section = mayBeMissing && !existsSync(file) ? undefined : httpSection(file);
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
  const root = readTree(readConfigText(file), file);
  const section = root.type === 'map' ? root.entries.get('http')?.value : undefined;
  return section?.type === 'map' ? section : undefined;
}
