import { Document, isMap, isPair, isScalar, type Node } from 'yaml';
import type { ImportVariable } from './import-result.ts';

/** A comment above a key of the file. */
export interface YamlNote {
  readonly path: readonly string[];
  readonly text: string;
}

/** What goes into a file. */
export interface YamlContent {
  /** What the file was made from, for the first line. */
  readonly origin: string;
  readonly variables: readonly ImportVariable[];
  readonly http?: Readonly<Record<string, unknown>> | undefined;
  readonly log?: Readonly<Record<string, unknown>> | undefined;
  readonly pipelines: Readonly<Record<string, unknown>>;
  readonly notes: readonly YamlNote[];
}

/** The configuration as commented YAML. */
export function writeYaml({ origin, variables, http, log, pipelines, notes }: YamlContent): string {
  const document = new Document(withoutUndefined({ version: 1, http, log, pipelines }));
  for (const { path, text } of notes) comment(document, path, text);
  const lines = [
    '# yaml-language-server: $schema=./sluice.schema.json',
    `# Made from ${origin}. Check it with "sluice validate" and "sluice doctor", run it with "sluice run".`,
    ...(variables.length === 0 ? [] : ['# Set these environment variables first:']),
    ...variables.map(({ name, meaning }) => `#   ${name}: ${meaning}`),
  ];
  return `${lines.join('\n')}\n${document.toString({ lineWidth: 0 })}`;
}

function comment(document: Document, path: readonly string[], text: string): void {
  const parent = document.getIn(path.slice(0, -1), true);
  if (!isMap(parent)) return;
  const pair = parent.items.find((item) => isPair(item) && isScalar(item.key) && item.key.value === path.at(-1));
  if (pair !== undefined) (pair.key as Node).commentBefore = ` ${text}`;
}

/** YAML would write null for undefined. */
function withoutUndefined(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutUndefined);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).filter(([, inner]) => inner !== undefined);
  return Object.fromEntries(entries.map(([key, inner]) => [key, withoutUndefined(inner)]));
}
