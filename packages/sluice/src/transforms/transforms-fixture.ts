import { deserialize, serialize } from 'bson';
import { documentValue } from '../bson/build-document.ts';
import { BsonType } from '../bson/elements.ts';
import { stringValue, timestampValue } from '../bson/make-values.ts';
import { NamespaceCache } from '../bson/namespace-cache.ts';
import { parseChangeEvent } from '../bson/raw-change-event.ts';
import type { BsonValue, ChangeEvent } from '../core/change-event.ts';
import type { Envelope } from '../core/envelope.ts';
import { SluiceError } from '../core/failure.ts';
import type { Transformed } from '../core/transform.ts';
import { createTransforms } from './create-transforms.ts';
import { STAGES, type Stage, type TransformAction, type TransformSetting } from './settings.ts';

/** What a made-up event has; documents as bytes or as what the `bson` library writes. */
export interface EventParts {
  readonly op?: string;
  readonly ns?: { readonly db: string; readonly coll: string };
  readonly key?: object;
  readonly after?: object;
  readonly before?: object;
  readonly update?: object;
}

const namespaces = new NamespaceCache();

/** An event of these parts, in an envelope. */
export function envelopeOf(parts: EventParts): Envelope {
  const { op = 'insert', ns = { db: 'shop', coll: 'users' }, key = { _id: 1 } } = parts;
  const raw = documentValue([
    ['_id', documentValue([['_data', stringValue('826564B2C9000000012B0229296E04')]])],
    ['operationType', stringValue(op)],
    ['clusterTime', timestampValue(1_700_000_000, 1)],
    ['fullDocument', documentOf(parts.after)],
    ['ns', documentOf(ns)],
    ['documentKey', op === 'drop' ? undefined : documentOf(key)],
    ['updateDescription', documentOf(parts.update)],
    ['fullDocumentBeforeChange', documentOf(parts.before)],
  ]);
  const event = parseChangeEvent(raw.bytes, namespaces);
  return { event, namespace: event.namespace };
}

function documentOf(document: object | undefined): BsonValue | undefined {
  if (document === undefined) return undefined;
  return { type: BsonType.document, bytes: document instanceof Uint8Array ? document : serialize(document) };
}

/** A setting as it would be read from `{ $set: … }` and so on. */
export function setting(item: object): TransformSetting {
  const [[key, body] = []] = Object.entries(item) as [string, unknown][];
  if (STAGES.includes(key as Stage)) {
    return { action: { kind: 'stage', stage: key as Stage, body }, namespaces: undefined };
  }
  return { action: { kind: key, ...(body as object) } as TransformAction, namespaces: undefined };
}

/** What the transforms make of the events. */
export async function transformAll(
  items: readonly object[],
  envelopes: readonly Envelope[],
  nowMs = 1_700_000_000_000,
): Promise<readonly Transformed[]> {
  const settings = items.map((item) => ('action' in item ? (item as TransformSetting) : setting(item)));
  const { signal } = new AbortController();
  const transforms = await createTransforms(settings, { pipeline: 'orders', signal, nowMs: () => nowMs });
  let results: readonly Transformed[] = envelopes;
  for (const transform of transforms) {
    const going = results.filter((result): result is Envelope => isEnvelope(result));
    const done = await transform.apply(going, signal);
    let next = 0;
    results = results.map((result) => (isEnvelope(result) ? done[next++] : result));
  }
  return results;
}

export function isEnvelope(result: Transformed): result is Envelope {
  return result !== undefined && !(result instanceof SluiceError);
}

/** The one event that the transforms make of this one. Fails when it is dropped or rejected. */
export async function transformOne(items: readonly object[], parts: EventParts): Promise<ChangeEvent> {
  const [result] = await transformAll(items, [envelopeOf(parts)]);
  if (result instanceof SluiceError) throw result;
  if (result === undefined) throw new Error('the event was dropped');
  return result.event;
}

/** A document for comparing, with all types as they are. */
export function shown(bytes: Uint8Array | undefined): unknown {
  return bytes && deserialize(bytes);
}
