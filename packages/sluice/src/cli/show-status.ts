import { setTimeout as delay } from 'node:timers/promises';
import { loadHttpSettings } from '../config/http-settings.ts';
import { nearest } from '../config/suggest.ts';
import { SluiceError } from '../core/failure.ts';
import type { PipelineStatus } from '../core/status.ts';
import { configFileOf, DEFAULT_CONFIG_FILE, envelope, type Invocation, type Outcome, usageError } from './action.ts';
import { EXIT } from './exit-code.ts';
import { listenForSignals } from './signals.ts';
import type { StatusOptions } from './status.ts';
import { statusTable } from './status-table.ts';

const ANSWER_LIMIT_MS = 5_000;
const WATCH_EVERY_MS = 2_000;

/** Shows the status of the pipelines of a running process, once or until Ctrl-C. */
export async function showStatus(invocation: Invocation<StatusOptions>): Promise<Outcome> {
  const names = (invocation.args[0] ?? []) as readonly string[];
  const ask = asker(invocation);
  if (invocation.options.watch === true) return watch(invocation, names, ask);
  const statuses = chosen(await ask(), names);
  const text = statusTable(statuses, { paint: invocation.terminal.paint, nowMs: Date.now() });
  return { result: { pipelines: statuses }, text };
}

type Ask = (signal?: AbortSignal) => Promise<readonly PipelineStatus[]>;

function asker({ options, env, hide }: Invocation<StatusOptions>): Ask {
  const file = configFileOf(options);
  const mayBeMissing = file === DEFAULT_CONFIG_FILE;
  const own = options.url === undefined ? loadHttpSettings({ file, env, mayBeMissing }) : undefined;
  const token = own?.token?.reveal() ?? env['SLUICE_TOKEN'];
  if (token !== undefined && token !== '') hide([token]);
  const url = options.url ?? urlOf(own?.listen ?? { host: '127.0.0.1', port: 8380 });
  const headers: Record<string, string> =
    token === undefined || token === '' ? {} : { authorization: `Bearer ${token}` };
  return async (signal) => {
    const limit = AbortSignal.timeout(ANSWER_LIMIT_MS);
    const response = await fetchFrom(url, headers, signal === undefined ? limit : AbortSignal.any([limit, signal]));
    if (response.ok) return ((await response.json()) as { readonly pipelines: readonly PipelineStatus[] }).pipelines;
    throw refused(url, response.status);
  };
}

/** An endpoint that listens on every address is asked on this machine's own. */
function urlOf({ host, port }: { readonly host: string; readonly port: number }): string {
  const asked = host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '::1' : host;
  return `http://${asked.includes(':') ? `[${asked}]` : asked}:${port}`;
}

async function fetchFrom(url: string, headers: Record<string, string>, signal: AbortSignal): Promise<Response> {
  try {
    return await fetch(`${url}/api/pipelines`, { headers, signal, redirect: 'error' });
  } catch (cause) {
    const reason = (cause as { readonly cause?: { readonly code?: unknown } }).cause?.code;
    const why = typeof reason === 'string' ? reason : signal.aborted ? 'no answer in time' : 'no answer';
    throw new SluiceError(`nobody answers at ${url} (${why})`, {
      kind: 'transient',
      code: 'cli.unreachable',
      hint: 'Start the pipelines with "sluice run", or name the address with --url.',
      cause,
    });
  }
}

function refused(url: string, status: number): SluiceError {
  const unauthorized = status === 401 || status === 403;
  return new SluiceError(`${url} answers with HTTP ${status}`, {
    kind: 'transient',
    code: unauthorized ? 'cli.unauthorized' : 'cli.unexpected-answer',
    hint: unauthorized ? 'Set SLUICE_TOKEN to the token of that endpoint.' : 'Is this the HTTP endpoint of Sluice?',
  });
}

function chosen(statuses: readonly PipelineStatus[], names: readonly string[]): readonly PipelineStatus[] {
  const known = statuses.map(({ name }) => name);
  const unknown = names.find((name) => !known.includes(name));
  if (unknown === undefined) return names.length === 0 ? statuses : statuses.filter(({ name }) => names.includes(name));
  const meant = nearest(unknown, known);
  throw usageError(
    `no pipeline "${unknown}" runs there`,
    meant === undefined ? `running: ${known.join(', ')}` : `did you mean "${meant}"?`,
  );
}

async function watch(invocation: Invocation<StatusOptions>, names: readonly string[], ask: Ask): Promise<Outcome> {
  const { terminal, options, command } = invocation;
  using signals = listenForSignals();
  const clear = process.stdout.isTTY ? '\u001b[H\u001b[J' : '';
  while (!signals.stop.aborted) {
    const statuses = chosen(await ask(), names);
    const text =
      options.json === true
        ? envelope({ ok: true, command, result: { pipelines: statuses } })
        : `${clear}${statusTable(statuses, { paint: terminal.paint, nowMs: Date.now() })}${clear === '' ? '\n' : ''}`;
    if (!(await terminal.data(text))) break;
    await delay(WATCH_EVERY_MS, undefined, { signal: signals.stop }).catch(() => {});
  }
  return { exitCode: EXIT.ok };
}
