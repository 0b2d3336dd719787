import { createHash } from 'node:crypto';
import type { PositionBinding } from '../../core/checkpoint.ts';
import type { KafkaSourceConfig } from './config.ts';

/** The consumer group of a pipeline; one that names none has its own. */
export function groupOf({ group }: Pick<KafkaSourceConfig, 'group'>, pipeline: string): string {
  return group ?? `sluice-${pipeline}`;
}

/** What positions in a group belong to. */
export function bindingOf({ topics }: Pick<KafkaSourceConfig, 'topics'>, group: string): PositionBinding {
  const fingerprint = createHash('sha256').update(JSON.stringify(topics)).digest('hex').slice(0, 16);
  return { deployment: `kafka/${group}`, fingerprint };
}
