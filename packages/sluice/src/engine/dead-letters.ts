import { clusterTimeOf, formatNamespace } from '../core/change-event.ts';
import type { PartitionId } from '../core/checkpoint.ts';
import type { DeadLetter, DeadLetterStore } from '../core/dead-letter.ts';
import { SluiceError } from '../core/failure.ts';
import type { Rejection } from '../core/sink.ts';

/** Who is dead-lettering, and how it shows a document key to people. */
export interface DeadLetterContext {
  readonly pipeline: string;
  readonly partition: PartitionId;
  /** The document key as readable text; must not throw for damaged events. */
  describeKey(rejection: Rejection): string;
}

/** The entry for a rejection, as first tried now. */
export function toDeadLetter(rejection: Rejection, context: DeadLetterContext): DeadLetter {
  const { event } = rejection.envelope;
  return {
    id: event.id,
    pipeline: context.pipeline,
    partition: context.partition,
    namespace: formatNamespace(event.namespace),
    op: event.op,
    key: context.describeKey(rejection),
    clusterTime: clusterTimeOf(event),
    code: rejection.error.code,
    reason: rejection.error.message,
    attempts: 1,
    failedAtMs: Date.now(),
    raw: event.raw,
    rawBytes: event.raw.byteLength,
  };
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
