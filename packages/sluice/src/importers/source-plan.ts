import type { ImportTarget } from './import-result.ts';
import type { Ledger } from './ledger.ts';
import type { TopicRoute } from './topic-map.ts';
import type { Vault } from './vault.ts';

/** What a connector's options say about a pipeline, besides the brokers. */
export interface SourcePlan {
  /** The `source.mongodb` section without `include` and `exclude`. */
  readonly source: Readonly<Record<string, unknown>>;
  readonly routes: readonly TopicRoute[];
  readonly format: unknown;
  readonly deadLetter: unknown;
  readonly onPositionLost?: 'resnapshot' | undefined;
}

/** What an importer of a source connector works with. */
export interface SourceInput {
  readonly connector: Ledger;
  readonly worker: Ledger | undefined;
  readonly vault: Vault;
  readonly target: ImportTarget;
}

/**
 * A pipeline in the input as stages; undefined, and noted, when it cannot run here. `copied`: there it also decides
 * what is copied.
 */
export function userPipeline(
  { connector, target }: SourceInput,
  option: string,
  copied: boolean,
): readonly unknown[] | undefined {
  const text = connector.text(option);
  if (text === undefined) {
    connector.note(option, 'mapped', 'empty');
    return undefined;
  }
  let stages: unknown;
  try {
    stages = JSON.parse(text);
  } catch {
    connector.note(option, 'not-supported', 'it is not plain JSON (the shell form of values is not understood)');
    return undefined;
  }
  const list: readonly unknown[] = Array.isArray(stages) ? stages : [stages];
  if (list.length === 0) {
    connector.note(option, 'mapped', 'empty');
    return undefined;
  }
  const problem = target.pipelineProblem(list);
  if (problem !== undefined) {
    connector.note(option, 'not-supported', problem);
    return undefined;
  }
  const to = 'source.mongodb.pipeline';
  if (copied) connector.note(option, 'changed', 'for changes only: a snapshot copies every document', to);
  connector.mapped(option, to, 'runs on the server');
  return list;
}
