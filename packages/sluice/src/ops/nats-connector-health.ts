import type { PipelineStatus } from '../core/status.ts';
import type { HealthReport } from './http.ts';
import { pipelineReadiness } from './readiness.ts';

const COMPONENTS = ['mongo', 'nats'] as const;
type Component = (typeof COMPONENTS)[number];

/**
 * The answer to `/healthz` in the form of mongodb-nats-connector, whose components are the two systems. Unlike there, a
 * system counts as down when a pipeline does not move because of it, and then so does the whole.
 */
export function natsConnectorHealth(statuses: readonly PipelineStatus[], nowMs: number): HealthReport {
  const troubled = statuses.filter((status) => !pipelineReadiness(status, nowMs).ready);
  const down = new Set(troubled.flatMap(causeOf));
  const components = COMPONENTS.map((name) => [name, { status: down.has(name) ? 'DOWN' : 'UP' }] as const);
  return { status: down.size === 0 ? 'UP' : 'DOWN', components: Object.fromEntries(components) };
}

/** What keeps the pipeline from moving; both when that cannot be told. */
function causeOf({ error, lagEvents, stalled }: PipelineStatus): readonly Component[] {
  if (error?.code.startsWith('nats.') === true) return ['nats'];
  if (error?.code.startsWith('mongodb.') === true) return ['mongo'];
  if (stalled) return [lagEvents === 0 ? 'mongo' : 'nats'];
  return COMPONENTS;
}
