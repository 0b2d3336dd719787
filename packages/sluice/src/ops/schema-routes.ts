import type { Context, Hono } from 'hono';
import { bodyLimit } from 'hono/body-limit';
import { asSluiceError, type FailureKind } from '../core/failure.ts';
import type { Logger } from '../core/logger.ts';
import type { PipelineStatus } from '../core/status.ts';
import type { SchemaView } from '../schema/schema-memory.ts';
import { refuse, withPipeline } from './answers.ts';
import { foreignRequest } from './snapshot-routes.ts';

/** What is known about the schemas of the pipelines that run here. */
export interface SchemaControl {
  /** Undefined when the pipeline learns none. */
  view(pipeline: string): SchemaView | undefined;
  /** Accepts every change that waits for it, durably; resolves with in how many collections there was one. */
  accept(pipeline: string, signal: AbortSignal): Promise<number>;
}

/** What the routes work on. */
export interface SchemaRouteOptions {
  readonly pipelines: () => readonly PipelineStatus[];
  /** Absent where no pipeline learns a schema. */
  readonly schemas?: SchemaControl | undefined;
  readonly logger: Logger;
}

const PATH = '/api/pipelines/:name/schema';
const MAX_BODY_BYTES = 1024;
const ACCEPT_LIMIT_MS = 30_000;

/** `GET` tells the schema that a pipeline has learned, `POST` with `{"action": "accept"}` accepts what has changed. */
export function addSchemaRoutes(app: Hono, options: SchemaRouteOptions): void {
  app.get(PATH, (c) => withSchema(c, options, (view) => c.json(view)));
  app.post(PATH, bodyLimit({ maxSize: MAX_BODY_BYTES, onError: tooLarge }), async (c) => {
    const refused = foreignRequest(c) ?? otherAction(c, await c.req.text());
    return refused ?? withSchema(c, options, ({ pipeline }) => accept(c, pipeline, options));
  });
}

function withSchema<T>(c: Context, { pipelines, schemas }: SchemaRouteOptions, then: (view: SchemaView) => T) {
  return withPipeline(c, pipelines(), ({ name }) => {
    const view = schemas?.view(name);
    if (view !== undefined) return then(view);
    return refuse(c, { status: 404, code: 'http.no-schema', message: `the pipeline "${name}" learns no schema` });
  });
}

function tooLarge(c: Context): Response {
  const message = `the body is larger than ${MAX_BODY_BYTES} bytes`;
  return refuse(c, { status: 413, code: 'http.body-too-large', message });
}

function otherAction(c: Context, body: string): Response | undefined {
  let value: unknown;
  try {
    value = JSON.parse(body);
  } catch {
    value = undefined;
  }
  if ((value as { readonly action?: unknown } | null | undefined)?.action === 'accept') return undefined;
  return refuse(c, { status: 400, code: 'http.invalid-body', message: 'the body must be {"action": "accept"}' });
}

async function accept(c: Context, pipeline: string, { schemas, logger }: SchemaRouteOptions): Promise<Response> {
  const limit = AbortSignal.any([AbortSignal.timeout(ACCEPT_LIMIT_MS), c.req.raw.signal]);
  try {
    const accepted = (await schemas?.accept(pipeline, limit)) ?? 0;
    logger.info({ pipeline, accepted }, 'schema changes accepted');
    return c.json({ accepted });
  } catch (error) {
    const { kind, code, message, hint } = asSluiceError(error);
    logger.warn({ pipeline, code }, 'schema changes could not be accepted');
    return refuse(c, { status: statusOf(kind), code, message, hint });
  }
}

function statusOf(kind: FailureKind): 409 | 500 | 503 {
  if (kind === 'transient') return 503;
  return kind === 'internal' ? 500 : 409;
}
