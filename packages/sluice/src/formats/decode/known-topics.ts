import type { BrokerMessage } from '../../core/broker-message.ts';
import type { ChangeEvent, Namespace } from '../../core/change-event.ts';

/** More topics than this are not remembered at once. */
const MAX_REMEMBERED = 4096;

interface Known {
  namespace?: Namespace;
  debezium?: boolean;
}

/**
 * What the messages of a topic that were read so far say of the others in it. Only of messages with a key: without one
 * nothing can be told of a message that says too little, and JetStream has a subject for each document.
 */
export class KnownTopics {
  readonly #topics = new Map<string, Known>();
  #name = '';
  #last: Known | undefined;

  /** Notes where the events of the topic belong. */
  note(message: BrokerMessage, { namespace }: ChangeEvent): void {
    if (message.key !== null && namespace.coll !== '') this.#of(message).namespace = namespace;
  }

  noteDebezium(message: BrokerMessage): void {
    if (message.key !== null) this.#of(message).debezium = true;
  }

  /** Where the event before it in its topic belonged. */
  namespaceOf({ topic }: Pick<BrokerMessage, 'topic'>): Namespace | undefined {
    return this.#topics.get(topic)?.namespace;
  }

  isDebezium({ topic }: Pick<BrokerMessage, 'topic'>): boolean {
    return this.#topics.get(topic)?.debezium === true;
  }

  #of({ topic }: BrokerMessage): Known {
    if (this.#last !== undefined && topic === this.#name) return this.#last;
    let known = this.#topics.get(topic);
    if (known === undefined) {
      if (this.#topics.size >= MAX_REMEMBERED) this.#topics.clear();
      known = {};
      this.#topics.set(topic, known);
    }
    this.#name = topic;
    this.#last = known;
    return known;
  }
}
