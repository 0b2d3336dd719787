import type { JsonBuffer } from '../bson/json-buffer.ts';
import { writeInt64, writeInteger } from '../bson/json-numbers.ts';
import { type ChangeEvent, clusterTimeOf, type Namespace } from '../core/change-event.ts';
import type { FormatIdentity } from './format-config.ts';

const MAX_REMEMBERED = 4096;

/** The parts of a `source` block that only change with the namespace, as JSON. */
interface NamespaceParts {
  readonly db: Buffer;
  readonly collection: Buffer;
}

/** The parts of a `source` block that only change with the time, as JSON. */
interface TimeParts {
  readonly ms: number;
  readonly millis: Buffer;
  readonly finer: Buffer;
  readonly wallTime: Buffer;
}

/** The transaction a change was made in. */
export interface DebeziumTransaction {
  /** The logical session id as a JSON text. */
  readonly session: Buffer;
  /** `txnNumber` as an int64. */
  readonly number: Buffer;
}

/** Writes the `source` block of Debezium's envelope: where and when the change was made. */
export class DebeziumSource {
  readonly #identity: Buffer;
  readonly #ofNamespaces = new Map<Namespace, NamespaceParts>();
  #times = timeParts(0);

  constructor(identity: FormatIdentity) {
    const { version, connector } = identity;
    this.#identity = Buffer.from(`{"version":${quote(version)},"connector":"mongodb","name":${quote(connector)}`);
  }

  /** `transaction` is there when the change was made in one. */
  write(output: JsonBuffer, event: ChangeEvent, transaction: DebeziumTransaction | undefined): void {
    const parts = this.#partsOf(event.namespace);
    const isSnapshot = event.op === 'snapshot';
    const { t, i } = clusterTimeOf(event);
    // A row has no time of its own: Debezium gives the second of the cluster time.
    const times = this.#timesOf(isSnapshot ? t * 1000 : event.sourceTimeMs);
    output.raw(this.#identity);
    output.raw(times.millis);
    output.ascii(isSnapshot ? ',"snapshot":"true"' : ',"snapshot":"false"');
    output.raw(parts.db);
    output.raw(times.finer);
    output.raw(parts.collection);
    writeInteger(output, i);
    if (transaction === undefined) {
      output.ascii(',"lsid":null,"txnNumber":null');
    } else {
      output.ascii(',"lsid":');
      output.text(transaction.session, 0, transaction.session.length);
      output.ascii(',"txnNumber":');
      writeInt64(output, transaction.number, 0);
    }
    if (isSnapshot) output.ascii(',"wallTime":null}');
    else output.raw(times.wallTime);
  }

  /** Changes that follow each other were often made in the same millisecond. */
  #timesOf(ms: number): TimeParts {
    if (this.#times.ms !== ms) this.#times = timeParts(ms);
    return this.#times;
  }

  #partsOf(namespace: Namespace): NamespaceParts {
    let parts = this.#ofNamespaces.get(namespace);
    if (parts === undefined) {
      parts = {
        db: Buffer.from(`,"db":${quote(namespace.db)}`),
        collection: Buffer.from(`,"collection":${quote(namespace.coll)},"ord":`),
      };
      if (this.#ofNamespaces.size >= MAX_REMEMBERED) this.#ofNamespaces.clear();
      this.#ofNamespaces.set(namespace, parts);
    }
    return parts;
  }
}

function timeParts(ms: number): TimeParts {
  return {
    ms,
    millis: Buffer.from(`,"ts_ms":${ms}`),
    finer: Buffer.from(`,"sequence":null,"ts_us":${finer(ms, '000')},"ts_ns":${finer(ms, '000000')}`),
    wallTime: Buffer.from(`,"wallTime":${ms}}`),
  };
}

/** A time in ms as digits in a finer unit: nanoseconds would not be exact as a number. */
function finer(ms: number, zeros: string): string {
  return ms === 0 ? '0' : `${ms}${zeros}`;
}

function quote(text: string): string {
  return JSON.stringify(text);
}
