import { SluiceError } from '../core/failure.ts';
import type { Format } from '../core/format.ts';
import { createChangeFormat } from './change-format.ts';
import { createCloudEventsFormat } from './cloudevents-format.ts';
import { createDebeziumFormat } from './debezium-format.ts';
import { createDocumentFormat } from './document-format.ts';
import type { FormatConfig, FormatName } from './format-config.ts';

const FACTORIES: Record<FormatName, (config: FormatConfig, nowMs: () => number) => Format> = {
  change: createChangeFormat,
  document: createDocumentFormat,
  debezium: createDebeziumFormat,
  cloudevents: createCloudEventsFormat,
};

/**
 * The format that the configuration names: one instance per sink. `nowMs` is the clock behind Debezium's processing
 * time. Throws `config` (`format.unsupported-encoding`) when the parts do not go together.
 */
export function createFormat(config: FormatConfig, nowMs: () => number = Date.now): Format {
  if (config.name === 'debezium' && config.json === 'bson') {
    throw new SluiceError('the debezium format has no BSON encoding', {
      kind: 'config',
      code: 'format.unsupported-encoding',
      hint: 'Leave the encoding out, or use the format "change" or "document" with BSON.',
    });
  }
  return FACTORIES[config.name](config, nowMs);
}
