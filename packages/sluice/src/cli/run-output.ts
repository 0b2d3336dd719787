import type { LogConfig, PipelineConfig } from '../config/config.ts';
import type { LoadedConfig } from '../config/load.ts';
import type { Logger } from '../core/logger.ts';
import type { PipelineStatus } from '../core/status.ts';
import type { GlobalOptions, Invocation } from './action.ts';
import { masker } from './failure-output.ts';
import { LiveBlock } from './live-block.ts';
import { createLogger } from './logging.ts';
import { pipelineLine, statusFields } from './pipeline-line.ts';
import { SnapshotNews } from './snapshot-news.ts';
import { collectionLines, isUnfinished, snapshotLine } from './snapshot-text.ts';

/** Everything that a running process tells people: log lines, and the status of its pipelines. */
export interface RunOutput {
  readonly logger: Logger;
  /** A sentence for the person at the terminal; a log line where there is none. */
  note(text: string): void;
  /** Shows the status until the returned function is called: redrawn on a terminal, else a log line now and then. */
  showStatus(statuses: () => readonly PipelineStatus[]): () => void;
}

const REDRAW_EVERY_MS = 1_000;
const LOG_EVERY_MS = 10_000;
/** Few: a block that is higher than the screen could not be redrawn. */
const COLLECTIONS_SHOWN = 3;

/** The output of `sluice run`, as the options, the configuration and the terminal ask for it. */
export function runOutput(
  { options, terminal }: Invocation<unknown>,
  { config, secrets }: LoadedConfig,
  pipelines: readonly PipelineConfig[],
): RunOutput {
  const pretty = config.log.format === 'pretty' || (config.log.format === 'auto' && terminal.isInteractive);
  // Records on the same screen would be torn apart by a block that is redrawn.
  const screenIsTaken = process.stdout.isTTY && pipelines.some(({ sink }) => sink.name === 'stdout');
  const live = terminal.isInteractive && pretty && options.quiet !== true && !screenIsTaken;
  const block = live ? new LiveBlock(process.stderr) : undefined;
  const write = (text: string) => (block === undefined ? terminal.message(text) : block.above(text));
  const paint = terminal.paintMessage;
  const logger = createLogger({ level: levelOf(options, config.log), pretty, write, mask: masker(secrets), paint });
  return {
    logger,
    note: (text) => (pretty ? write(`${text}\n`) : logger.info({}, text)),
    showStatus: (statuses) =>
      block === undefined ? logStatus(statuses, logger) : drawStatus(statuses, { block, paint, logger }),
  };
}

function levelOf({ quiet, verbose }: GlobalOptions, log: LogConfig): LogConfig['level'] {
  if (verbose === true) return 'debug';
  return quiet === true ? 'error' : log.level;
}

type Paint = Parameters<typeof pipelineLine>[1];

function drawStatus(
  statuses: () => readonly PipelineStatus[],
  { block, paint, logger }: { readonly block: LiveBlock; readonly paint: Paint; readonly logger: Logger },
): () => void {
  const news = new SnapshotNews(logger, { withProgress: false, sinceMs: Date.now() });
  const draw = () => {
    const now = statuses();
    news.observe(now, Date.now());
    block.show(now.flatMap((status) => statusLines(status, paint, Date.now())));
  };
  const timer = setInterval(draw, REDRAW_EVERY_MS);
  return () => {
    clearInterval(timer);
    draw();
    block.end();
  };
}

/** A pipeline in one line; while it copies, also how far that is. */
export function statusLines(status: PipelineStatus, paint: Paint, nowMs: number): readonly string[] {
  const line = pipelineLine(status, paint, nowMs);
  const { snapshot } = status;
  if (snapshot === undefined || !isUnfinished(snapshot)) return [line];
  const collections = collectionLines(snapshot, COLLECTIONS_SHOWN);
  return [line, `  ${snapshotLine(status, paint, nowMs)}`, ...collections.map((collection) => `    ${collection}`)];
}

function logStatus(statuses: () => readonly PipelineStatus[], logger: Logger): () => void {
  const news = new SnapshotNews(logger, { withProgress: true, sinceMs: Date.now() });
  const look = () => news.observe(statuses(), Date.now());
  const log = () => {
    for (const status of statuses()) logger.info(statusFields(status), 'status');
  };
  const timers = [setInterval(look, REDRAW_EVERY_MS), setInterval(log, LOG_EVERY_MS)];
  return () => {
    for (const timer of timers) clearInterval(timer);
    look();
  };
}
