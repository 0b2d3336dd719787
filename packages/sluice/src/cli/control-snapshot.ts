import type { SnapshotCommand } from '../core/snapshot.ts';
import type { PipelineStatus } from '../core/status.ts';
import { type Invocation, type Outcome, usageError } from './action.ts';
import { followSnapshot } from './follow-snapshot.ts';
import { chosenStatuses, runningProcess } from './running-process.ts';
import type { SnapshotOptions } from './snapshot.ts';
import { snapshotLine } from './snapshot-text.ts';

/** Sends a command to the snapshot of a running pipeline; a snapshot that it started is followed to its end. */
export async function snapshot(invocation: Invocation<SnapshotOptions>): Promise<Outcome> {
  const { options, terminal } = invocation;
  const name = String(invocation.args[0]);
  const command = snapshotCommandOf(options);
  const running = runningProcess(invocation);
  const [pipeline] = chosenStatuses(await running.statuses(), [name]);
  const started = await running.snapshot(name, command);
  const isFollowed = command.action === 'start' && options.wait;
  if (isFollowed) return followSnapshot(invocation, { running, name, startedAtMs: started.startedAtMs });
  const status = { ...(pipeline as PipelineStatus), snapshot: started };
  return {
    result: { pipeline: name, snapshot: started },
    text: `${snapshotLine(status, terminal.paint, Date.now())}\n`,
  };
}

/** The command that the options of a call stand for. Throws a usage error. */
export function snapshotCommandOf(options: SnapshotOptions): SnapshotCommand {
  if (options.pause === true) return { action: 'pause' };
  if (options.resume === true) return { action: 'resume' };
  if (options.cancel === true) return { action: 'cancel' };
  return { action: 'start', collections: patternsOf(options.collections), match: matchOf(options.filter) };
}

/** Commas inside braces belong to the pattern: `shop.{orders,items},crm.*` are two. */
function patternsOf(text: string | undefined): readonly string[] {
  if (text === undefined) return [];
  const parts = [''];
  let depth = 0;
  for (const character of text) {
    depth += character === '{' ? 1 : character === '}' ? -1 : 0;
    if (character === ',' && depth === 0) parts.push('');
    else parts.push(`${parts.pop()}${character}`);
  }
  const patterns = parts.map((part) => part.trim());
  if (patterns.every((pattern) => pattern !== '')) return patterns;
  throw usageError(`--collections "${text}" has an empty entry`, 'write shop.orders,shop.items');
}

function matchOf(text: string | undefined): string | undefined {
  if (text === undefined) return undefined;
  let query: unknown;
  try {
    query = JSON.parse(text);
  } catch (error) {
    const hint = 'write names and texts in double quotes, the whole in single ones: \'{"status": "open"}\'';
    throw usageError(`--filter is not JSON: ${(error as Error).message}`, hint);
  }
  if (typeof query === 'object' && query !== null && !Array.isArray(query)) return JSON.stringify(query);
  throw usageError('--filter must be a query', 'write an object: \'{"status": "open"}\'');
}
