import { SluiceError } from '../core/failure.ts';
import type { Pipeline } from '../engine/pipeline.ts';
import type { HttpOptions } from '../ops/http.ts';

/** Hands commands of the HTTP endpoint to the pipeline with that name. */
export function snapshotControl(pipelines: readonly Pipeline[]): HttpOptions['control'] {
  return async (name, command, signal) => {
    const pipeline = pipelines.find((candidate) => candidate.name === name);
    if (pipeline !== undefined) return pipeline.snapshot(command, signal);
    throw new SluiceError(`no pipeline "${name}" runs here`, { kind: 'config', code: 'http.no-such-pipeline' });
  };
}
