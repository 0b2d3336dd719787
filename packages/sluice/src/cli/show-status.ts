import { setTimeout as delay } from 'node:timers/promises';
import { envelope, type Invocation, type Outcome } from './action.ts';
import { EXIT } from './exit-code.ts';
import { chosenStatuses, type RunningProcess, runningProcess } from './running-process.ts';
import { listenForSignals } from './signals.ts';
import type { StatusOptions } from './status.ts';
import { statusTable } from './status-table.ts';

const WATCH_EVERY_MS = 2_000;

/** Shows the status of the pipelines of a running process, once or until Ctrl-C. */
export async function showStatus(invocation: Invocation<StatusOptions>): Promise<Outcome> {
  const names = (invocation.args[0] ?? []) as readonly string[];
  const running = runningProcess(invocation);
  if (invocation.options.watch === true) return watch(invocation, names, running);
  const statuses = chosenStatuses(await running.statuses(), names);
  const text = statusTable(statuses, { paint: invocation.terminal.paint, nowMs: Date.now() });
  return { result: { pipelines: statuses }, text };
}

async function watch(
  invocation: Invocation<StatusOptions>,
  names: readonly string[],
  running: RunningProcess,
): Promise<Outcome> {
  const { terminal, options, command } = invocation;
  using signals = listenForSignals();
  const clear = process.stdout.isTTY ? '\u001b[H\u001b[J' : '';
  while (!signals.stop.aborted) {
    const statuses = chosenStatuses(await running.statuses(), names);
    const text =
      options.json === true
        ? envelope({ ok: true, command, result: { pipelines: statuses } })
        : `${clear}${statusTable(statuses, { paint: terminal.paint, nowMs: Date.now() })}${clear === '' ? '\n' : ''}`;
    if (!(await terminal.data(text))) break;
    await delay(WATCH_EVERY_MS, undefined, { signal: signals.stop }).catch(() => {});
  }
  return { exitCode: EXIT.ok };
}
