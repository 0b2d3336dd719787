import { sinceOf } from '../../../bson/collection-event.ts';
import type { Envelope } from '../../../core/envelope.ts';
import type { Logger } from '../../../core/logger.ts';
import type { ApplyOther } from './batch-writer.ts';
import type { DeliveryContext, TargetDelivery } from './delivery.ts';
import type { TargetNames } from './name-template.ts';

/** What events are dealt with that are about no single document. */
export interface OtherEventsParts {
  readonly names: TargetNames;
  readonly delivery: TargetDelivery;
  readonly applyDdl: (envelope: Envelope, signal: AbortSignal) => Promise<'applied' | 'ignored'>;
  readonly logger: Logger;
}

/** Deletes what a copy has shown to be gone, notes gaps, and hands DDL on. */
export function otherEvents(parts: OtherEventsParts): ApplyOther {
  return async (envelope, context) => {
    switch (envelope.event.op) {
      case 'snapshotEnd':
        return sweep(parts, envelope, context);
      case 'gap':
        parts.logger.warn({ event: envelope.event.id }, 'changes are missing in the target: the source had lost them');
        return 'ignored';
      default:
        return parts.applyDdl(envelope, context.signal);
    }
  };
}

async function sweep(
  { names, delivery, logger }: OtherEventsParts,
  { event, namespace }: Envelope,
  context: DeliveryContext,
): Promise<'applied' | 'ignored'> {
  const target = names.of(namespace);
  const since = sinceOf(event);
  if (since !== undefined && (await delivery.sweep(target, since, context))) return 'applied';
  logger.warn(
    { collection: target.name },
    'documents that were deleted at the source while its changes were lost stay in the target: `guard: version` would know them',
  );
  return 'ignored';
}
