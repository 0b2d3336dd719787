import type { Envelope } from '../core/envelope.ts';
import { SluiceError } from '../core/failure.ts';
import type { Format } from '../core/format.ts';
import { createChangeFormat } from './change-format.ts';
import { createCloudEventsFormat } from './cloudevents-format.ts';
import { createDebeziumFormat } from './debezium-format.ts';
import { createDocumentFormat } from './document-format.ts';
import type { FormatConfig, FormatName } from './format-config.ts';
import { createKafkaConnectFormat } from './kafka-connect-format.ts';
import { createNatsConnectorFormat } from './nats-connector-format.ts';

const FACTORIES: Record<FormatName, (config: FormatConfig, nowMs: () => number) => Format> = {
  change: createChangeFormat,
  document: createDocumentFormat,
  debezium: createDebeziumFormat,
  cloudevents: createCloudEventsFormat,
  'kafka-connect': createKafkaConnectFormat,
  'nats-connector': createNatsConnectorFormat,
};

/**
 * The format that the configuration names: one instance per sink. `invalidate` events have no form in any. `nowMs` is the clock behind Debezium's processing
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
  const format = FACTORIES[config.name](config, nowMs);
  return { ...format, encode: (envelope) => (isStreamEnd(envelope) ? undefined : format.encode(envelope)) };
}

/**
 * An `invalidate` only says that the server closed this kind of stream; the drop or rename before it says what
 * happened. Without it the records do not depend on how the source happens to watch.
 */
function isStreamEnd({ event }: Envelope): boolean {
  return event.op === 'invalidate';
}
