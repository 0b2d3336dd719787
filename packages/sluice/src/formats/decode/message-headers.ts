import { asBuffer } from '../../bson/elements.ts';
import { clusterTimeOfToken } from '../../bson/resume-token.ts';
import type { BrokerMessage } from '../../core/broker-message.ts';
import type { Namespace } from '../../core/change-event.ts';
import type { ClusterTime } from '../../core/cluster-time.ts';

/** What the Kafka and the JetStream sink put in front of the names. */
const DEFAULT_PREFIXES: readonly string[] = ['sluice.'];
const CLUSTER_TIME = /^(\d{1,10}),(\d{1,10})$/;

/** What the headers of this program's sinks say of an event. */
export interface SluiceHeaders {
  readonly op: string;
  readonly namespace: Namespace;
  readonly clusterTime: ClusterTime;
  readonly id: string;
}

/** Reads the headers of this program's sinks. Pure. */
export class HeaderReader {
  readonly #prefixes: readonly string[];
  #lastNs = '';
  #lastNamespace: Namespace = { db: '', coll: '' };

  constructor(prefix: string | undefined) {
    this.#prefixes = prefix === undefined ? DEFAULT_PREFIXES : [prefix];
  }

  /** Undefined when they are not all there, or not what the sinks write. */
  read({ headers }: Pick<BrokerMessage, 'headers'>): SluiceHeaders | undefined {
    if (headers.size < 4) return undefined;
    for (const prefix of this.#prefixes) {
      const id = headerText(headers, `${prefix}id`);
      const ns = headerText(headers, `${prefix}ns`);
      const op = headerText(headers, `${prefix}op`);
      const time = CLUSTER_TIME.exec(headerText(headers, `${prefix}ts`) ?? '');
      if (id === undefined || ns === undefined || op === undefined || time === null || !isId(id)) continue;
      return { op, namespace: this.#namespace(ns), clusterTime: { t: Number(time[1]), i: Number(time[2]) }, id };
    }
    return undefined;
  }

  #namespace(ns: string): Namespace {
    if (ns !== this.#lastNs) {
      this.#lastNamespace = splitNamespace(ns);
      this.#lastNs = ns;
    }
    return this.#lastNamespace;
  }
}

/** `db.coll` at its first dot: a name of a database has none. */
export function splitNamespace(text: string): Namespace {
  const dot = text.indexOf('.');
  return dot < 0 ? { db: text, coll: '' } : { db: text.slice(0, dot), coll: text.slice(dot + 1) };
}

/** A header as text; undefined when there is none. */
export function headerText(headers: BrokerMessage['headers'], name: string): string | undefined {
  const bytes = headers.get(name);
  return bytes === undefined ? undefined : asBuffer(bytes).toString();
}

/** Ids of events begin like resume tokens. */
function isId(id: string): boolean {
  try {
    clusterTimeOfToken(id);
    return true;
  } catch {
    return false;
  }
}
