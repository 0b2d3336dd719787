import { hash } from 'node:crypto';
import { asBuffer, BsonType, findField } from '../bson/elements.ts';
import { JsonBuffer } from '../bson/json-buffer.ts';
import { FIRST_ISO_MS, LAST_ISO_MS } from '../bson/json-dates.ts';
import { KeyWriter } from '../bson/json-key.ts';
import type { BsonValue, ChangeEvent, Namespace } from '../core/change-event.ts';

const MAX_REMEMBERED = 4096;
const SUBJECT_BYTES = 1024;
/** Characters that an attribute must not hold. */
const CONTROL = /\p{Cc}/u;

/** The attributes of a CloudEvent, in the order in which they are written. */
export type CloudEventAttributes = Record<string, string>;

/** Makes the attributes of events of one deployment. */
export class AttributeMaker {
  readonly #cluster: string;
  readonly #sources = new Map<Namespace, string>();
  readonly #buffer = new JsonBuffer(SUBJECT_BYTES);
  readonly #values = new KeyWriter(this.#buffer, { style: 'relaxed' });

  constructor(cluster: string) {
    this.#cluster = cluster;
  }

  /** `keyText` is the key of the event's record. `subject` is the `_id`; DDL events have none. */
  make(event: ChangeEvent, keyText: string): CloudEventAttributes {
    const attributes: CloudEventAttributes = {
      specversion: '1.0',
      id: hash('sha256', event.id),
      source: this.#source(event.namespace),
      type: `io.sluice.mongodb.${event.op}.v1`,
    };
    const subject = this.#subject(event);
    if (subject !== undefined) attributes['subject'] = subject;
    const ms = event.sourceTimeMs;
    if (ms >= FIRST_ISO_MS && ms <= LAST_ISO_MS) attributes['time'] = new Date(ms).toISOString();
    attributes['partitionkey'] = keyText;
    return attributes;
  }

  /** A URI reference: `/mongodb/<cluster>/<db>/<coll>`, percent-encoded. */
  #source(namespace: Namespace): string {
    let source = this.#sources.get(namespace);
    if (source === undefined) {
      const parts = ['mongodb', this.#cluster, namespace.db, namespace.coll].filter((part) => part !== '');
      source = `/${parts.map((part) => encodeURIComponent(part)).join('/')}`;
      if (this.#sources.size >= MAX_REMEMBERED) this.#sources.clear();
      this.#sources.set(namespace, source);
    }
    return source;
  }

  #subject(event: ChangeEvent): string | undefined {
    const key = event.key();
    const id = key === undefined ? undefined : findField(key, '_id');
    if (id === undefined) return undefined;
    const text = bareText(id);
    return text === undefined || text === '' || CONTROL.test(text) ? this.#json(id) : text;
  }

  #json(id: BsonValue): string {
    this.#buffer.rewind();
    this.#buffer.begin(id.bytes.length);
    this.#values.value(id.type, asBuffer(id.bytes));
    return this.#buffer.end().toString();
  }
}

/** Ids that people write without quotes or types. The record's key is made first and has checked that text is UTF-8. */
function bareText({ type, bytes }: BsonValue): string | undefined {
  if (type === BsonType.string) return asBuffer(bytes).toString('utf8', 4, bytes.length - 1);
  if (type === BsonType.objectId) return asBuffer(bytes).toString('hex');
  return undefined;
}
