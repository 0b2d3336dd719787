import type { PipelineConfig } from '../config/config.ts';
import type { Finding } from '../core/connector.ts';
import { asSluiceError } from '../core/failure.ts';
import { parseDuration } from '../settings/units.ts';
import { type Invocation, type Outcome, usageError } from './action.ts';
import type { DoctorOptions } from './doctor.ts';
import { EXIT } from './exit-code.ts';
import { loadCalled } from './load.ts';
import { type PipelineCheck, pipelineChecks } from './pipeline-checks.ts';
import { selectPipelines } from './select-pipelines.ts';
import { renderTable } from './table.ts';
import type { Terminal } from './terminal.ts';

/** A finding and where it belongs. */
interface PlacedFinding extends Finding {
  readonly pipeline: string | undefined;
}

/** Checks the systems behind the configuration, all at once, and tells what it found. */
export async function doctor(invocation: Invocation<DoctorOptions>): Promise<Outcome> {
  const { options, terminal } = invocation;
  const timeoutMs = parseDuration(options.timeout);
  if (timeoutMs === undefined || timeoutMs === 0)
    throw usageError(`--timeout ${options.timeout} is not a duration`, 'write "10s"');
  const { config, file } = await loadCalled(invocation);
  const pipelines = selectPipelines(config, (invocation.args[0] ?? []) as readonly string[]);
  const checks = pipelines.flatMap((pipeline) =>
    pipelineChecks(pipeline).map((check) => runCheck(check, pipeline, timeoutMs)),
  );
  const valid: PlacedFinding = { check: 'config', level: 'ok', message: `${file} is valid`, pipeline: undefined };
  const findings = [valid, ...(await Promise.all(checks)).flat()];
  const failed = findings.some(({ level }) => level === 'error');
  return {
    exitCode: failed ? EXIT.environment : EXIT.ok,
    result: { findings },
    text: findingsTable(findings, terminal),
  };
}

/** Runs one check; what it throws, or that it takes too long, becomes a finding. */
async function runCheck(
  check: PipelineCheck,
  { name: pipeline }: PipelineConfig,
  timeoutMs: number,
): Promise<PlacedFinding[]> {
  const limit = AbortSignal.timeout(timeoutMs);
  const expired = Promise.withResolvers<never>();
  limit.addEventListener('abort', () => expired.reject(limit.reason), { once: true });
  try {
    const findings = await Promise.race([check.run(limit), expired.promise]);
    return findings.map((finding) => ({ ...finding, pipeline }));
  } catch (error) {
    if (limit.aborted) {
      const message = `no answer within ${timeoutMs / 1000} s`;
      return [
        {
          pipeline,
          check: check.name,
          level: 'error',
          message,
          fix: 'look whether it is reachable, or raise --timeout',
        },
      ];
    }
    const { code, message, hint } = asSluiceError(error);
    return [{ pipeline, check: check.name, level: 'error', message: `${message} (${code})`, fix: hint }];
  }
}

const MARKS = { ok: ['green', '✔'], warning: ['yellow', '!'], error: ['red', '✖'] } as const;

function findingsTable(findings: readonly PlacedFinding[], { paint }: Terminal): string {
  const rows = findings.flatMap(({ pipeline, check, level, message, fix }) => {
    const [style, mark] = MARKS[level];
    const row = [paint(style, mark), pipeline ?? '', check, message];
    return fix === undefined || level === 'ok' ? [row] : [row, ['', '', '', `${paint('cyan', 'fix')}: ${fix}`]];
  });
  const table = renderTable([{ title: '' }, { title: 'PIPELINE' }, { title: 'CHECK' }, { title: 'FINDING' }], rows);
  const count = (level: Finding['level'], one: string, many: string) => {
    const found = findings.filter((finding) => finding.level === level).length;
    return `${found} ${found === 1 ? one : many}`;
  };
  const counts = [count('ok', 'ok', 'ok'), count('warning', 'warning', 'warnings'), count('error', 'error', 'errors')];
  return `${table}\n${counts.join(', ')}\n`;
}
