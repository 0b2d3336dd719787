import { createHash } from 'node:crypto';
import { type ChangeEvent, clusterTimeOf, formatNamespace } from '../core/change-event.ts';
import type { PartitionId } from '../core/checkpoint.ts';
import type { DeadLetter, DeadLetterStore } from '../core/dead-letter.ts';
import { SluiceError } from '../core/failure.ts';
import type { Rejection } from '../core/sink.ts';

/** Code of an event that is only put away because an earlier one of its document was. */
export const PARKED = 'dead-letter.parked';

const KEY_HASH_CHARACTERS = 32;

/** Who is dead-lettering, and what it knows of document keys. */
export interface DeadLetterContext {
  readonly pipeline: string;
  readonly partition: PartitionId;
  /** The document key as readable text; must not throw for damaged events. */
  describeKey(rejection: Rejection): string;
  /** Equal for all events with the same document key; undefined when there is none or it cannot be read. */
  orderingKey(event: ChangeEvent): string | undefined;
}

/** The entry for a rejection, as first tried now: of the event as the source gave it, so that it can go the whole way again. */
export function toDeadLetter(rejection: Rejection, context: DeadLetterContext): DeadLetter {
  const { event, original = event } = rejection.envelope;
  return {
    id: event.id,
    pipeline: context.pipeline,
    partition: context.partition,
    namespace: formatNamespace(event.namespace),
    op: event.op,
    key: context.describeKey(rejection),
    orderingKey: documentOf(event, context),
    clusterTime: clusterTimeOf(event),
    code: rejection.error.code,
    reason: rejection.error.message,
    attempts: 1,
    failedAtMs: Date.now(),
    raw: original.raw,
    rawBytes: original.raw.byteLength,
  };
}

/** Stands for one document: a hash of its namespace at the source and its key. */
export function documentOf(event: ChangeEvent, context: Pick<DeadLetterContext, 'orderingKey'>): string | undefined {
  const key = context.orderingKey(event);
  if (key === undefined) return undefined;
  const hash = createHash('sha256').update(formatNamespace(event.namespace)).update('\0').update(key);
  return hash.digest('hex').slice(0, KEY_HASH_CHARACTERS);
}

/** Puts rejections away; without a store the first one stops the pipeline, because skipping it would lose it. */
export async function putRejections(
  rejections: readonly Rejection[],
  store: DeadLetterStore | undefined,
  options: { context: DeadLetterContext; signal: AbortSignal },
): Promise<void> {
  const [first] = rejections;
  if (first === undefined) return;
  const letters = rejections.map((rejection) => toDeadLetter(rejection, options.context));
  if (store !== undefined) return store.put(letters, options.signal);
  const [letter] = letters;
  throw new SluiceError(
    `an event cannot be delivered and no dead-letter destination is configured: ${letter?.op} ${letter?.namespace} ` +
      `(event ${letter?.id.slice(0, 80)}): ${first.error.message}`,
    {
      kind: 'config',
      code: 'dead-letter.none-configured',
      hint: first.error.hint ?? 'Set `deadLetter` on the pipeline, so that such events are kept and the rest goes on.',
      cause: first.error,
    },
  );
}

/** Why an event is put away that nothing is wrong with. */
export function parkedBehind(): SluiceError {
  return new SluiceError('an earlier change of the same document is a dead letter', {
    kind: 'rejected',
    code: PARKED,
    hint: 'Mend what is wrong with the first one, then `sluice dlq replay` delivers all of them in order.',
  });
}
