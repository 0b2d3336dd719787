import type { FailureKind } from '../core/failure.ts';

/** What the process tells its caller. 130 and 143 are added for a signal that cut the draining short. */
export const EXIT = {
  ok: 0,
  bug: 1,
  /** Wrong usage or configuration. */
  config: 2,
  /** Something outside: unreachable, refused, timed out, taken over by another owner. */
  environment: 3,
  /** What was asserted does not hold. */
  assertion: 4,
} as const;

/** The exit code for a failure that ended a command or a pipeline. */
export function exitCodeOf(kind: FailureKind): number {
  if (kind === 'internal') return EXIT.bug;
  return kind === 'config' ? EXIT.config : EXIT.environment;
}

/** The code that says most: a bug before a configuration mistake before the environment before success. */
export function worstExitCode(codes: readonly number[]): number {
  const order = [EXIT.bug, EXIT.config, EXIT.environment, EXIT.assertion];
  return order.find((code) => codes.includes(code)) ?? EXIT.ok;
}

/** The exit code of a process that a signal ended. */
export function signalExitCode(signal: 'SIGINT' | 'SIGTERM'): number {
  return signal === 'SIGINT' ? 130 : 143;
}
