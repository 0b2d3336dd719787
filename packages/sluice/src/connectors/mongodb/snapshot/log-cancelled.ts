import { formatClusterTime } from '../../../core/cluster-time.ts';
import type { Logger } from '../../../core/logger.ts';
import type { SourceGap } from '../../../core/source.ts';

/** Tells what is lost with a copy that was given up while it held changes back. */
export function logCancelled(logger: Logger, { from, to }: SourceGap): void {
  const text = { from: formatClusterTime(from), to: formatClusterTime(to) };
  logger.error(text, 'changes of documents that were still to be copied are lost with the snapshot');
}
