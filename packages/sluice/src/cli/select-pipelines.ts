import type { Config, PipelineConfig } from '../config/config.ts';
import { nearest } from '../config/suggest.ts';
import { usageError } from './action.ts';

/** The pipelines with these names, in the order of the file; all of them when no name is given. */
export function selectPipelines({ pipelines }: Config, names: readonly string[]): readonly PipelineConfig[] {
  for (const name of names) if (!pipelines.some((pipeline) => pipeline.name === name)) throw unknown(name, pipelines);
  return names.length === 0 ? pipelines : pipelines.filter(({ name }) => names.includes(name));
}

/** The pipeline with this name, or the only one that there is. */
export function onePipeline(config: Config, name: string | undefined): PipelineConfig {
  const [first, second] = selectPipelines(config, name === undefined ? [] : [name]);
  if (first !== undefined && second === undefined) return first;
  const names = config.pipelines.map((pipeline) => pipeline.name).join(', ');
  throw usageError(`which pipeline? The configuration has several: ${names}`, 'name one of them');
}

function unknown(name: string, pipelines: readonly PipelineConfig[]) {
  const names = pipelines.map((pipeline) => pipeline.name);
  const meant = nearest(name, names);
  const hint = meant === undefined ? `the configuration has ${names.join(', ')}` : `did you mean "${meant}"?`;
  return usageError(`there is no pipeline "${name}"`, hint);
}
