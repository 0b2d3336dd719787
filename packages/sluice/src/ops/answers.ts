import type { Context } from 'hono';
import type { PipelineStatus } from '../core/status.ts';

/** What stands in the body of an answer that says no. */
export interface Refusal {
  readonly status: 400 | 401 | 403 | 404 | 409 | 413 | 415 | 500 | 503 | 504;
  /** Stable and dotted. */
  readonly code: string;
  readonly message: string;
  readonly hint?: string | undefined;
}

/** An answer that says why not. */
export function refuse(c: Context, { status, code, message, hint }: Refusal): Response {
  return c.json({ error: { code, message, hint } }, status);
}

/** Answers about the pipeline that the path names, or that there is none. */
export function withPipeline<T>(c: Context, statuses: readonly PipelineStatus[], then: (status: PipelineStatus) => T) {
  const name = c.req.param('name');
  const status = statuses.find((pipeline) => pipeline.name === name);
  if (status !== undefined) return then(status);
  return refuse(c, { status: 404, code: 'http.no-such-pipeline', message: `no pipeline "${name}" runs here` });
}
