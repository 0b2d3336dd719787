import type { BrokerMessage, Decoder } from '../../core/broker-message.ts';
import type { ChangeEvent } from '../../core/change-event.ts';
import { SluiceError } from '../../core/failure.ts';
import { decodeAny } from './any-decoder.ts';
import { decodeChange } from './change-decoder.ts';
import { decodeCloudEvent } from './cloudevents-decoder.ts';
import { decodeDebezium } from './debezium-decoder.ts';
import type { DecoderConfig, DecoderName } from './decoder-config.ts';
import { type DocumentParts, decodeDocument, messageKey } from './document-decoder.ts';
import { decodeKafkaConnect } from './kafka-connect-decoder.ts';
import { KnownTopics } from './known-topics.ts';
import { EventMaker } from './made-event.ts';
import { HeaderReader, type SluiceHeaders, splitNamespace } from './message-headers.ts';
import { MessageTimes, ownSeconds } from './message-times.ts';
import { ValueReader } from './message-value.ts';
import { undecodable } from './undecodable.ts';
import { messageOfRaw, UndecodableMessage } from './undecodable-message.ts';

/** Throws `rejected` for what is not of the form that it reads. */
type Decode = (message: BrokerMessage, parts: DocumentParts) => ChangeEvent | undefined;

const DECODERS: Record<DecoderName, Decode> = {
  auto: decodeAny,
  change: decodeChange,
  debezium: decodeDebezium,
  'kafka-connect': decodeKafkaConnect,
  document: decodeDocument,
  cloudevents: decodeCloudEvent,
};

/** The decoder that the configuration names: one instance per source. */
export function createDecoder(config: DecoderConfig): Decoder {
  return new MessageDecoder(config);
}

class MessageDecoder implements Decoder {
  readonly name: DecoderName;
  readonly #decode: Decode;
  readonly #times = new MessageTimes();
  readonly #parts: DocumentParts;

  constructor({ name, headerPrefix, namespace, key }: DecoderConfig) {
    this.name = name;
    this.#decode = DECODERS[name];
    this.#parts = {
      reader: new ValueReader(),
      events: new EventMaker(),
      headers: new HeaderReader(headerPrefix),
      topics: new KnownTopics(),
      namespace,
      key,
    };
  }

  decode(message: BrokerMessage): ChangeEvent | undefined {
    return this.#decodeAt(this.#times.read(message), message);
  }

  decodeStored(raw: Uint8Array): ChangeEvent | undefined {
    const stored = messageOfRaw(raw);
    const position = { token: '', clusterTime: { t: 0, i: 0 } };
    if (stored === undefined) return this.#parts.events.whole(raw, position);
    // Dead letters come in any order, and have their time from when they were read in theirs.
    return this.#decodeAt(stored.seconds ?? ownSeconds(stored), { ...stored, position });
  }

  #decodeAt(seconds: number, message: BrokerMessage): ChangeEvent | undefined {
    const { events, topics } = this.#parts;
    try {
      events.seconds = seconds;
      const event = this.#decode(message, this.#parts);
      if (event === undefined) return undefined;
      readable(event);
      topics.note(message, event);
      return event;
    } catch (error) {
      return new UndecodableMessage(message, {
        error: asRejected(error),
        seconds,
        ...whereabouts(message, this.#parts),
      });
    }
  }
}

/** What can be told without the value: which document it is about, and where that most likely is. */
function whereabouts(message: BrokerMessage, parts: DocumentParts) {
  const headers = parts.headers.read(message);
  const likely = parts.namespace ?? headers?.namespace ?? parts.topics.namespaceOf(message);
  const namespace = likely ?? splitNamespace(message.topic);
  return { key: keyAlone(message, headers, parts), namespace: namespace.coll === '' ? undefined : namespace };
}

function keyAlone(message: BrokerMessage, headers: SluiceHeaders | undefined, parts: DocumentParts) {
  try {
    return messageKey(message, headers, parts)?.key;
  } catch {
    return undefined;
  }
}

/** Everybody may ask an event for these without expecting an error. */
function readable(event: ChangeEvent): void {
  void event.op;
  void event.namespace;
  void event.id;
  void event.version;
}

/** A message never stops the pipeline: whatever is wrong is wrong with it. */
function asRejected(error: unknown): SluiceError {
  return error instanceof SluiceError && error.kind === 'rejected' ? error : undecodable('it cannot be read', error);
}
