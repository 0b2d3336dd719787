import { randomUUID } from 'node:crypto';
import { readFileSync, readlinkSync } from 'node:fs';
import { hostname } from 'node:os';
import type { Instance, ProcessMark } from '../core/lease.ts';

/** A new identity for this run of this process. */
export function thisInstance(): Instance {
  return { id: randomUUID(), name: `${hostname()}:${process.pid}`, process: markOf(process.pid) };
}

/**
 * True only when the instance is proven to have ended: it ran on this machine since this boot, in this space of process
 * numbers, and no such process is left. A process that is merely stopped is not ended.
 */
export function hasEnded({ process: mark }: Instance): boolean {
  if (mark === undefined || mark.space !== processSpace()) return false;
  if (!exists(mark.pid)) return true;
  const present = markOf(mark.pid);
  return present !== undefined && present.startedAt !== mark.startedAt;
}

function markOf(pid: number): ProcessMark | undefined {
  const space = processSpace();
  const startedAt = startOf(pid);
  return space === undefined || startedAt === undefined ? undefined : { space, pid, startedAt };
}

/** Linux tells the boot and the namespace of process numbers; containers of one machine differ in the latter. */
function processSpace(): string | undefined {
  try {
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
    return `${hostname()}/${boot}/${readlinkSync('/proc/self/ns/pid')}`;
  } catch {
    return undefined;
  }
}

/** Field 22 of `/proc/PID/stat`, counted behind the name, which may contain anything. */
function startOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
  } catch {
    return undefined;
  }
}

/** Asks the system, which answers for other users' processes too, unlike `/proc`. */
function exists(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ESRCH';
  }
}
