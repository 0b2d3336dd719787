import type { Context, Hono } from 'hono';
import { bodyLimit } from 'hono/body-limit';
import { z } from 'zod';
import { asSluiceError, type FailureKind } from '../core/failure.ts';
import type { Logger } from '../core/logger.ts';
import type { SnapshotCommand, SnapshotStatus } from '../core/snapshot.ts';
import type { PipelineStatus } from '../core/status.ts';
import { isOwnOrigin } from './access.ts';
import { type Refusal, refuse, withPipeline } from './answers.ts';

/** Carries a command out on a pipeline that runs here; see `Pipeline.snapshot` for what it promises. */
export type SnapshotControl = (
  pipeline: string,
  command: SnapshotCommand,
  signal: AbortSignal,
) => Promise<SnapshotStatus>;

/** What the routes work on. */
export interface SnapshotRouteOptions {
  readonly pipelines: () => readonly PipelineStatus[];
  readonly control: SnapshotControl;
  readonly logger: Logger;
}

const PATH = '/api/pipelines/:name/snapshot';
const MAX_BODY_BYTES = 64 * 1024;
/** Saving a checkpoint waits for the sink; a caller that is told nothing for longer would give up itself. */
const COMMAND_LIMIT_MS = 30_000;

const MAX_PATTERNS = 1000;
const MAX_PATTERN_LENGTH = 1000;

const commandSchema = z.discriminatedUnion('action', [
  z.strictObject({
    action: z.literal('start'),
    collections: z.array(z.string().min(1).max(MAX_PATTERN_LENGTH)).max(MAX_PATTERNS).default([]),
    match: z.record(z.string(), z.unknown()).optional(),
  }),
  z.strictObject({ action: z.enum(['pause', 'resume', 'cancel']) }),
]);

/** `GET` tells the snapshot of a pipeline, `POST` starts, pauses, resumes or cancels one. */
export function addSnapshotRoutes(app: Hono, options: SnapshotRouteOptions): void {
  app.get(PATH, (c) => withPipeline(c, options.pipelines(), (status) => show(c, status)));
  app.post(PATH, bodyLimit({ maxSize: MAX_BODY_BYTES, onError: tooLarge }), async (c) =>
    withPipeline(c, options.pipelines(), ({ name }) => receive(c, name, options)),
  );
}

function show(c: Context, { name, snapshot }: PipelineStatus): Response {
  if (snapshot !== undefined) return c.json(snapshot);
  return refuse(c, { status: 404, code: 'http.no-snapshot', message: `no snapshot of "${name}" is known here` });
}

function tooLarge(c: Context): Response {
  const message = `the body is larger than ${MAX_BODY_BYTES} bytes`;
  return refuse(c, { status: 413, code: 'http.body-too-large', message });
}

async function receive(c: Context, pipeline: string, options: SnapshotRouteOptions): Promise<Response> {
  const refused = foreignRequest(c);
  if (refused !== undefined) return refused;
  const command = parseCommand(await c.req.text());
  if (typeof command !== 'string') return carryOut(c, pipeline, command, options);
  return refuse(c, { status: 400, code: 'http.invalid-body', message: command });
}

async function carryOut(
  c: Context,
  pipeline: string,
  command: SnapshotCommand,
  { control, logger }: SnapshotRouteOptions,
): Promise<Response> {
  const audit = auditFields(c, pipeline, command);
  const limit = AbortSignal.timeout(COMMAND_LIMIT_MS);
  try {
    const status = await control(pipeline, command, AbortSignal.any([limit, c.req.raw.signal]));
    logger.info(audit, 'snapshot command carried out');
    return c.json(status, command.action === 'start' ? 202 : 200);
  } catch (error) {
    const refusal = limit.aborted ? TOO_LATE : refusalOf(error);
    logger.warn({ ...audit, code: refusal.code }, 'snapshot command failed');
    return refuse(c, refusal);
  }
}

const TOO_LATE: Refusal = {
  status: 504,
  code: 'http.timeout',
  message: `the command was not saved within ${COMMAND_LIMIT_MS / 1000} s; it may still be carried out`,
  hint: 'Look at the status of the pipeline.',
};

function refusalOf(error: unknown): Refusal {
  const { kind, code, message, hint } = asSluiceError(error);
  return { status: STATUS[kind], code, message, hint };
}

/** A `config` failure is a command that does not fit what there is; it fails again when it is repeated. */
const STATUS: Readonly<Record<FailureKind, 409 | 500 | 503>> = {
  config: 409,
  rejected: 409,
  'position-lost': 409,
  fenced: 409,
  transient: 503,
  internal: 500,
};

/** A page of another site must not be able to send commands with the browser of someone who may. */
export function foreignRequest(c: Context): Response | undefined {
  const origin = c.req.header('origin');
  if (origin !== undefined && !isOwnOrigin(origin, c.req.header('host'))) {
    const message = 'the request comes from a page of another site';
    return refuse(c, { status: 403, code: 'http.foreign-origin', message });
  }
  const type = c.req.header('content-type')?.split(';', 1)[0]?.trim().toLowerCase();
  if (type === 'application/json') return undefined;
  return refuse(c, { status: 415, code: 'http.not-json', message: 'the body must be sent as application/json' });
}

/** The command, or what is wrong with the body. */
function parseCommand(body: string): SnapshotCommand | string {
  let value: unknown;
  try {
    value = JSON.parse(body);
  } catch (error) {
    return `the body is not JSON: ${(error as Error).message}`;
  }
  const { success, data, error } = commandSchema.safeParse(value);
  if (!success) {
    return error.issues.map(({ path, message }) => [...path.map(String), message].join(': ')).join('; ');
  }
  if (data.action !== 'start') return data;
  const { action, collections, match } = data;
  return { action, collections, match: match && JSON.stringify(match) };
}

/** Who asked for what; the query may hold data, so only that there is one. */
function auditFields(c: Context, pipeline: string, command: SnapshotCommand): object {
  const { incoming } = (c.env ?? {}) as {
    readonly incoming?: { readonly socket?: { readonly remoteAddress?: string } };
  };
  const { action } = command;
  const scope =
    command.action === 'start' ? { collections: command.collections, filtered: command.match !== undefined } : {};
  return { pipeline, action, ...scope, from: incoming?.socket?.remoteAddress };
}
