import { loadHttpSettings } from '../config/http-settings.ts';
import { nearest } from '../config/suggest.ts';
import { SluiceError } from '../core/failure.ts';
import type { SnapshotCommand, SnapshotStatus } from '../core/snapshot.ts';
import type { PipelineStatus } from '../core/status.ts';
import type { SchemaView } from '../schema/schema-memory.ts';
import { configFileOf, DEFAULT_CONFIG_FILE, type Invocation, usageError } from './action.ts';

const ANSWER_LIMIT_MS = 5_000;
/** Longer than the process itself takes before it gives a command up. */
const COMMAND_LIMIT_MS = 35_000;

/** Code of the error when there is nobody to ask. */
export const UNREACHABLE = 'cli.unreachable';

/** The HTTP endpoint of a running `sluice run`. All methods throw `SluiceError` when it does not answer, or says no. */
export interface RunningProcess {
  readonly url: string;
  statuses(signal?: AbortSignal): Promise<readonly PipelineStatus[]>;
  /** Resolves when the command is carried out and saved. */
  snapshot(pipeline: string, command: SnapshotCommand, signal?: AbortSignal): Promise<SnapshotStatus>;
  /** What the pipeline has learned of the schemas. */
  schema(pipeline: string, signal?: AbortSignal): Promise<SchemaView>;
  /** Accepts the changes of the schema that wait for it; resolves with in how many collections there were some. */
  acceptSchema(pipeline: string, signal?: AbortSignal): Promise<number>;
}

/** The process that a call asks: that of `--url`, else the one whose endpoint the configuration names. */
export function runningProcess(invocation: Invocation<{ readonly url?: string | undefined }>): RunningProcess {
  const { options, env, hide } = invocation;
  const file = configFileOf(options);
  const mayBeMissing = file === DEFAULT_CONFIG_FILE;
  const own = options.url === undefined ? loadHttpSettings({ file, env, mayBeMissing }) : undefined;
  const token = own?.token?.reveal() ?? env['SLUICE_TOKEN'] ?? '';
  if (token !== '') hide([token]);
  const url = options.url ?? urlOf(own?.listen ?? { host: '127.0.0.1', port: 8380 });
  const authorization: Record<string, string> = token === '' ? {} : { authorization: `Bearer ${token}` };
  return {
    url,
    async statuses(signal) {
      const request = { headers: authorization, signal: limited(ANSWER_LIMIT_MS, signal) };
      const answer = await ask(url, '/api/pipelines', request);
      return (answer as { readonly pipelines: readonly PipelineStatus[] }).pipelines;
    },
    async snapshot(pipeline, command, signal) {
      const headers = { ...authorization, 'content-type': 'application/json' };
      const body = JSON.stringify(commandBody(command));
      const request = { method: 'POST', headers, body, signal: limited(COMMAND_LIMIT_MS, signal) };
      const path = `/api/pipelines/${encodeURIComponent(pipeline)}/snapshot`;
      return (await ask(url, path, request)) as SnapshotStatus;
    },
    async schema(pipeline, signal) {
      const request = { headers: authorization, signal: limited(ANSWER_LIMIT_MS, signal) };
      return (await ask(url, schemaPath(pipeline), request)) as SchemaView;
    },
    async acceptSchema(pipeline, signal) {
      const headers = { ...authorization, 'content-type': 'application/json' };
      const body = JSON.stringify({ action: 'accept' });
      const request = { method: 'POST', headers, body, signal: limited(COMMAND_LIMIT_MS, signal) };
      return ((await ask(url, schemaPath(pipeline), request)) as { readonly accepted: number }).accepted;
    },
  };
}

/** The pipelines with these names, all of them without a name. Throws a usage error for a name that nothing has. */
export function chosenStatuses(
  statuses: readonly PipelineStatus[],
  names: readonly string[],
): readonly PipelineStatus[] {
  const known = statuses.map(({ name }) => name);
  const unknown = names.find((name) => !known.includes(name));
  if (unknown === undefined) return names.length === 0 ? statuses : statuses.filter(({ name }) => names.includes(name));
  const meant = nearest(unknown, known);
  throw usageError(
    `no pipeline "${unknown}" runs there`,
    meant === undefined ? `running: ${known.join(', ')}` : `did you mean "${meant}"?`,
  );
}

/** An endpoint that listens on every address is asked on this machine's own. */
function urlOf({ host, port }: { readonly host: string; readonly port: number }): string {
  const asked = host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '::1' : host;
  return `http://${asked.includes(':') ? `[${asked}]` : asked}:${port}`;
}

function schemaPath(pipeline: string): string {
  return `/api/pipelines/${encodeURIComponent(pipeline)}/schema`;
}

function commandBody(command: SnapshotCommand): object {
  if (command.action !== 'start' || command.match === undefined) return command;
  return { ...command, match: JSON.parse(command.match) as unknown };
}

function limited(ms: number, signal: AbortSignal | undefined): AbortSignal {
  const limit = AbortSignal.timeout(ms);
  return signal === undefined ? limit : AbortSignal.any([limit, signal]);
}

async function ask(
  url: string,
  path: string,
  request: RequestInit & { readonly signal: AbortSignal },
): Promise<unknown> {
  const response = await reach(url, path, request);
  const answer = await response.json().catch(() => undefined);
  if (response.ok && answer !== undefined) return answer;
  throw refused(url, response.status, answer);
}

async function reach(
  url: string,
  path: string,
  request: RequestInit & { readonly signal: AbortSignal },
): Promise<Response> {
  try {
    return await fetch(`${url}${path}`, { ...request, redirect: 'error' });
  } catch (cause) {
    const reason = (cause as { readonly cause?: { readonly code?: unknown } }).cause?.code;
    const why = typeof reason === 'string' ? reason : request.signal.aborted ? 'no answer in time' : 'no answer';
    throw new SluiceError(`nobody answers at ${url} (${why})`, {
      kind: 'transient',
      code: UNREACHABLE,
      hint: 'Start the pipelines with "sluice run", or name the address with --url.',
      cause,
    });
  }
}

/** What the endpoint says itself is worth most; anything else is told by its status. */
function refused(url: string, status: number, answer: unknown): SluiceError {
  if (status === 401) {
    const hint = 'Set SLUICE_TOKEN to the token of that endpoint.';
    return new SluiceError(`${url} wants a token`, { kind: 'transient', code: 'cli.unauthorized', hint });
  }
  const { error } = (answer ?? {}) as { readonly error?: Partial<Record<'code' | 'message' | 'hint', string>> };
  if (error?.code !== undefined && error.message !== undefined) {
    const { code, message, hint } = error;
    return new SluiceError(message, { kind: status < 500 ? 'config' : 'transient', code, hint });
  }
  return new SluiceError(`${url} answers with HTTP ${status}`, {
    kind: 'transient',
    code: 'cli.unexpected-answer',
    hint: 'Is this the HTTP endpoint of Sluice?',
  });
}
