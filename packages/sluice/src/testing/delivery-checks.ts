/** One event as the independent recorder saw it, in stream order. */
export interface ExpectedEvent {
  /** The `_data` string of the event's resume token. */
  readonly id: string;
  /** The document key as text; undefined for events without one (DDL). */
  readonly key: string | undefined;
}

/** One record at the destination. Those of one key must be listed in the order in which a reader gets them. */
export interface DeliveredRecord {
  readonly id: string;
  /** Kafka partition, file, … it was found in; undefined where there is only one place. */
  readonly place?: number | string | undefined;
}

/** `at-least-once` allows a key to step back and repeat; `exactly-once` does not. Neither allows a skip. */
export type DeliveryMode = 'at-least-once' | 'exactly-once';

/** What is wrong with a delivery, as sentences; all empty when it is right. */
export interface DeliveryReport {
  /** Ids of expected events that never arrived. */
  readonly missing: readonly string[];
  /** Ids that arrived and never happened. */
  readonly phantoms: readonly string[];
  /** Where the order of a key was broken, a key is in two places, or (exactly-once) something came twice. */
  readonly violations: readonly string[];
  /** Records that had arrived before. A fault only under exactly-once. */
  readonly duplicates: number;
}

/** Compares what arrived with what happened. Pure; the events of all keys may be interleaved in any way. */
export function checkDelivery(
  expected: readonly ExpectedEvent[],
  delivered: readonly DeliveredRecord[],
  mode: DeliveryMode,
): DeliveryReport {
  const arrived = new Set(delivered.map((record) => record.id));
  const happened = new Map(expected.map((event) => [event.id, event]));
  const duplicates = delivered.length - arrived.size;
  const violations = [...orderViolations(expected, delivered, mode), ...placeViolations(happened, delivered)];
  return {
    missing: expected.filter((event) => !arrived.has(event.id)).map((event) => event.id),
    phantoms: [...arrived].filter((id) => !happened.has(id)),
    violations: mode === 'exactly-once' ? [...violations, ...repeated(delivered)] : violations,
    duplicates,
  };
}

/** Throws with the first findings of each kind unless the delivery is right. Returns the number of duplicates. */
export function assertDelivered(
  expected: readonly ExpectedEvent[],
  delivered: readonly DeliveredRecord[],
  mode: DeliveryMode,
): number {
  const report = checkDelivery(expected, delivered, mode);
  const findings = [
    ...some(report.missing, 'missing'),
    ...some(report.phantoms, 'never happened'),
    ...some(report.violations, 'order'),
  ];
  if (findings.length > 0) {
    throw new Error(`${delivered.length} records for ${expected.length} events:\n${findings.join('\n')}`);
  }
  return report.duplicates;
}

/** One write of a key with the counter it carried. */
export interface CountedWrite {
  readonly key: string;
  /** Undefined for writes that carry none (deletes). */
  readonly n: number | undefined;
}

/**
 * Checks the counters themselves, without any recorder: those of a key start at 1 and go up by one. Returns the
 * violations as sentences.
 */
export function checkCounters(writes: readonly CountedWrite[], mode: DeliveryMode): readonly string[] {
  const steps = new KeySteps(mode, 0);
  return writes.flatMap(({ key, n }) => (n === undefined ? [] : steps.take(key, n)));
}

/** Follows the last step of each key; a step is right when it is the next one, or (at-least-once) one before that. */
class KeySteps {
  readonly #mode: DeliveryMode;
  readonly #before: number;
  readonly #last = new Map<string, number>();

  constructor(mode: DeliveryMode, before: number) {
    this.#mode = mode;
    this.#before = before;
  }

  take(key: string, step: number): readonly string[] {
    const last = this.#last.get(key) ?? this.#before;
    this.#last.set(key, step);
    if (step > last + 1) return [`key ${key} skips from ${last} to ${step}`];
    if (step <= last && this.#mode === 'exactly-once') return [`key ${key} goes back from ${last} to ${step}`];
    return [];
  }
}

function orderViolations(
  expected: readonly ExpectedEvent[],
  delivered: readonly DeliveredRecord[],
  mode: DeliveryMode,
): readonly string[] {
  const counts = new Map<string, number>();
  const stepOf = new Map<string, { key: string; step: number }>();
  for (const { id, key } of expected) {
    if (key === undefined) continue;
    const step = counts.get(key) ?? 0;
    counts.set(key, step + 1);
    stepOf.set(id, { key, step });
  }
  const steps = new KeySteps(mode, -1);
  return delivered.flatMap(({ id }) => {
    const found = stepOf.get(id);
    return found === undefined ? [] : steps.take(found.key, found.step);
  });
}

function placeViolations(
  happened: ReadonlyMap<string, ExpectedEvent>,
  delivered: readonly DeliveredRecord[],
): readonly string[] {
  const places = new Map<string, number | string>();
  return delivered.flatMap(({ id, place }) => {
    const key = happened.get(id)?.key;
    if (key === undefined || place === undefined) return [];
    const known = places.get(key) ?? place;
    places.set(key, known);
    return known === place ? [] : [`key ${key} is in ${known} and in ${place}`];
  });
}

function repeated(delivered: readonly DeliveredRecord[]): readonly string[] {
  const seen = new Set<string>();
  return delivered.flatMap(({ id }) => {
    if (seen.has(id)) return [`event ${id} came again`];
    seen.add(id);
    return [];
  });
}

const SHOWN = 5;

function some(findings: readonly string[], what: string): readonly string[] {
  const shown = findings.slice(0, SHOWN).map((finding) => `  ${what}: ${finding}`);
  const more = findings.length - shown.length;
  return more > 0 ? [...shown, `  ${what}: and ${more} more`] : shown;
}
