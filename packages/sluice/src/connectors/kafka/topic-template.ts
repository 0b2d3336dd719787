import { createHash } from 'node:crypto';
import type { Namespace, Operation } from '../../core/change-event.ts';
import { SluiceError } from '../../core/failure.ts';

/** Kafka's limit for the length of a topic name. */
export const LONGEST_TOPIC = 249;

/** A name Kafka accepts for a topic (`.` and `..` aside). */
export const TOPIC_NAME = /^[a-zA-Z0-9._-]{1,249}$/;

const PLACEHOLDER = /\{(db|coll|op)\}/g;
const HASH_LENGTH = 10;

/** True when the text is literal characters of topic names and the placeholders `{db}`, `{coll}` and `{op}`. */
export function isTopicTemplate(template: string): boolean {
  return template !== '' && /^[a-zA-Z0-9._-]*$/.test(template.replace(PLACEHOLDER, ''));
}

/**
 * Derives topics from namespaces by a template. Always gives the same topic for the same event; throws a `config` error
 * when two events get one topic only because characters had to be replaced.
 */
export class TopicTemplate {
  readonly #template: string;
  readonly #byOperation: boolean;
  readonly #topics = new Map<string, string>();
  /** What each topic was made from, under the name that Kafka compares: it takes `.` and `_` for the same. */
  readonly #origins = new Map<string, string>();
  #last: { readonly namespace: Namespace; readonly op: Operation; readonly topic: string } | undefined;

  constructor(template: string) {
    this.#template = template;
    this.#byOperation = template.includes('{op}');
  }

  /** The topic of events of this namespace and operation. */
  topicOf(namespace: Namespace, op: Operation): string {
    const last = this.#last;
    if (last !== undefined && last.namespace === namespace && (!this.#byOperation || last.op === op)) return last.topic;
    const key = `${namespace.db}\0${namespace.coll}${this.#byOperation ? `\0${op}` : ''}`;
    let topic = this.#topics.get(key);
    if (topic === undefined) {
      topic = this.#derive(namespace, op);
      this.#topics.set(key, topic);
    }
    this.#last = { namespace, op, topic };
    return topic;
  }

  #derive(namespace: Namespace, op: Operation): string {
    const wanted = fillTemplate(this.#template, { ...namespace, op });
    const topic = sanitizeTopic(wanted);
    const compared = topic.replaceAll('.', '_');
    const origin = this.#origins.get(compared);
    if (origin !== undefined && origin !== wanted) throw collision(topic, origin, wanted);
    this.#origins.set(compared, wanted);
    return topic;
  }
}

/** An empty value (the collection of a database event) takes the separator before it along: `shop`, not `shop.`. */
function fillTemplate(template: string, values: Readonly<Record<'db' | 'coll' | 'op', string>>): string {
  const compact = values.coll === '' ? template.replaceAll(/[._-]?\{coll\}/g, '') : template;
  return compact.replaceAll(PLACEHOLDER, (_, name: 'db' | 'coll' | 'op') => values[name]);
}

/**
 * The name made legal: other characters become `_`; what is longer than Kafka allows is cut and ends in a hash of the
 * whole name, so that different names stay different.
 */
export function sanitizeTopic(wanted: string): string {
  const legal = wanted.replaceAll(/[^a-zA-Z0-9._-]/gu, '_');
  if (legal.length > LONGEST_TOPIC) {
    const hash = createHash('sha256').update(wanted).digest('hex').slice(0, HASH_LENGTH);
    return `${legal.slice(0, LONGEST_TOPIC - HASH_LENGTH - 1)}-${hash}`;
  }
  return legal === '' || legal === '.' || legal === '..' ? legal.replaceAll('.', '_').padEnd(1, '_') : legal;
}

function collision(topic: string, first: string, second: string): SluiceError {
  return new SluiceError(`"${first}" and "${second}" would both be written to the topic "${topic}"`, {
    kind: 'config',
    code: 'kafka.topic-collision',
    hint:
      'Kafka does not allow these characters in topic names, or does not tell "." from "_". ' +
      'Leave one of the collections out, or give each a pipeline with a `topic` of its own.',
  });
}
