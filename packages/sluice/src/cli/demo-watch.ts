import { formatNamespace, type Operation } from '../core/change-event.ts';
import type { Envelope } from '../core/envelope.ts';
import { comparePositions, type Position } from '../core/position.ts';
import type { Sink } from '../core/sink.ts';

/** What `sluice demo` has seen arrive. */
export interface DemoSummary {
  readonly events: number;
  readonly seconds: number;
  readonly eventsPerSecond: number;
  readonly operations: Readonly<Record<string, number>>;
  /** From the commit at the source to the acknowledgement of the target, in ms. */
  readonly latencyP50Ms: number;
  readonly latencyP99Ms: number;
  /** Documents whose changes arrived in another order than they happened. */
  readonly outOfOrder: number;
}

/** Looks at what a sink has acknowledged: counts, latency, and whether each document's changes came in order. */
export class DemoWatch {
  readonly #startedMs = performance.now();
  readonly #operations = new Map<Operation, number>();
  readonly #latenciesMs: number[] = [];
  readonly #last = new Map<string, Position>();
  #events = 0;
  #outOfOrder = 0;
  /** Called after each acknowledged batch. */
  onDelivered: (batch: readonly Envelope[]) => void | Promise<void> = () => {};

  get events(): number {
    return this.#events;
  }

  /** The sink, watched; without one the batch counts as delivered when it has been shown. */
  over(sink: Sink | undefined): Sink {
    return {
      limits: sink?.limits ?? { records: 100, bytes: 1 << 20, batchesInFlight: 1 },
      checkpoints: sink?.checkpoints,
      write: async (batch, context) => {
        const result = (await sink?.write(batch, context)) ?? { delivered: batch.length, filtered: 0 };
        for (const envelope of batch) this.#seen(envelope);
        await this.onDelivered(batch);
        return result;
      },
      [Symbol.asyncDispose]: async () => sink?.[Symbol.asyncDispose](),
    };
  }

  #seen({ event, namespace }: Envelope): void {
    this.#events += 1;
    this.#operations.set(event.op, (this.#operations.get(event.op) ?? 0) + 1);
    this.#latenciesMs.push(Math.max(0, Date.now() - event.sourceTimeMs));
    const key = `${formatNamespace(namespace)} ${Buffer.from(event.key() ?? []).toString('hex')}`;
    const last = this.#last.get(key);
    if (last !== undefined && comparePositions(event.position, last) <= 0) this.#outOfOrder += 1;
    this.#last.set(key, event.position);
  }

  summary(): DemoSummary {
    const seconds = (performance.now() - this.#startedMs) / 1000;
    const sorted = this.#latenciesMs.toSorted((a, b) => a - b);
    const at = (fraction: number) => sorted[Math.max(0, Math.ceil(sorted.length * fraction) - 1)] ?? 0;
    return {
      events: this.#events,
      seconds: Math.round(seconds * 10) / 10,
      eventsPerSecond: Math.round((this.#events / seconds) * 10) / 10,
      operations: Object.fromEntries(this.#operations),
      latencyP50Ms: at(0.5),
      latencyP99Ms: at(0.99),
      outOfOrder: this.#outOfOrder,
    };
  }
}
