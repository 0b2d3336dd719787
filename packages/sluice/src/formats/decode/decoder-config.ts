import type { Namespace } from '../../core/change-event.ts';

/**
 * What messages hold. `auto` looks at each of them. `change`: the event as MongoDB describes it, in any encoding of the
 * format of that name. `debezium`: the envelope of Debezium's MongoDB connector. `kafka-connect`: what MongoDB's source
 * connector for Kafka Connect writes. `document`: the document alone, null for a delete. `cloudevents`: CloudEvents 1.0
 * around the event of `change`.
 */
export type DecoderName = 'auto' | 'change' | 'debezium' | 'kafka-connect' | 'document' | 'cloudevents';

/** What the bare keys of messages are. `text`: the `_id` itself, whatever it looks like. `json`: any JSON value. */
export type KeyForm = 'text' | 'json';

/** Everything a decoder is made from. */
export interface DecoderConfig {
  readonly name: DecoderName;
  /** Where documents belong whose messages do not say it. Default: the topic, cut at its first dot. */
  readonly namespace?: Namespace | undefined;
  /** Default: a JSON object or text in quotes is what it says, a whole number an integer, anything else text. */
  readonly key?: KeyForm | undefined;
  /** Start of the names of this program's own headers. Default: what its sinks write by default. */
  readonly headerPrefix?: string | undefined;
}
