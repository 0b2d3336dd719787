import { pathToFileURL } from 'node:url';
import { isDeepStrictEqual } from 'node:util';
import { Timestamp } from 'bson';
import { type ChangeEvent, clusterTimeOf, isDataOperation } from '../core/change-event.ts';
import type { Envelope } from '../core/envelope.ts';
import { isAbort, SluiceError } from '../core/failure.ts';
import type { Transform, Transformed } from '../core/transform.ts';
import { Draft } from './draft.ts';
import { readDocument, writeDocument } from './module-documents.ts';
import type { TransformEvent, TransformFunction, TransformFunctionContext } from './module-types.ts';
import { compileSelection } from './namespace-rules.ts';
import { transformFailed, ValueProblem } from './problem.ts';

/** What a module is opened with. */
export interface ModuleContext extends TransformFunctionContext {
  /** How messages name the transform. */
  readonly name: string;
  readonly namespaces: readonly string[] | undefined;
}

/**
 * A function of the user's as a transform. It runs in this process with all of its rights. Events are handed to it one after
 * the other. Throws `config` (`transform.module`) when there is no such function.
 */
export async function openModule(
  { path, exportName }: { readonly path: string; readonly exportName: string },
  context: ModuleContext,
): Promise<Transform> {
  const call = await loadFunction(path, exportName, context.name);
  const selected = context.namespaces === undefined ? undefined : compileSelection(context.namespaces);
  return {
    async apply(batch, signal) {
      const results: Transformed[] = [];
      for (const envelope of batch) {
        signal.throwIfAborted();
        const concerned = isDataOperation(envelope.event.op) && selected?.(envelope.namespace) !== false;
        results.push(concerned ? await transformed(envelope, call, { ...context, signal }) : envelope);
      }
      return results;
    },
  };
}

async function loadFunction(path: string, exportName: string, name: string): Promise<TransformFunction> {
  let loaded: Readonly<Record<string, unknown>>;
  try {
    loaded = (await import(pathToFileURL(path).href)) as Readonly<Record<string, unknown>>;
  } catch (cause) {
    const detail = cause instanceof Error ? cause.message : String(cause);
    throw moduleProblem(
      `${name}: ${path} cannot be loaded: ${detail}`,
      'Check the path and that the file runs in Node.',
      cause,
    );
  }
  const found = loaded[exportName];
  if (typeof found === 'function') return found as TransformFunction;
  throw moduleProblem(
    `${name}: ${path} has no function "${exportName}"`,
    exportName === 'default'
      ? 'Write `export default function (event, context) { … }`, or name another export.'
      : `It exports ${Object.keys(loaded).join(', ') || 'nothing'}.`,
  );
}

function moduleProblem(message: string, hint: string, cause?: unknown): SluiceError {
  return new SluiceError(message, { kind: 'config', code: 'transform.module', hint, cause });
}

async function transformed(envelope: Envelope, call: TransformFunction, context: ModuleContext): Promise<Transformed> {
  const draft = new Draft(envelope);
  try {
    const given = readEvent(draft);
    const { pipeline, signal } = context;
    const returned = await call(given, { pipeline, signal });
    if (returned === null) return undefined;
    take(returned, draft);
    return draft.finish();
  } catch (cause) {
    if (isAbort(cause, context.signal)) throw cause;
    if (cause instanceof SluiceError && cause.kind === 'rejected') return cause;
    const problem = cause instanceof Error ? cause : new ValueProblem(`it threw ${typeof cause} and no error`);
    return transformFailed(context.name, problem, 'Repair the function or the event, then replay the dead letter.');
  }
}

function readEvent(draft: Draft): TransformEvent {
  const { event } = draft;
  const read = (bytes: Uint8Array | undefined) => bytes && readDocument(bytes);
  const images = Object.fromEntries(
    (['after', 'before', 'update'] as const).flatMap((image) => {
      const document = read(draft.image(image));
      return document === undefined ? [] : [[image, document]];
    }),
  );
  return { ...metadataOf(event, draft), key: read(event.key()), ...images };
}

function metadataOf(event: ChangeEvent, { namespace }: Draft) {
  return {
    id: event.id,
    op: event.op,
    ns: { db: namespace.db, coll: namespace.coll },
    ts: new Timestamp(clusterTimeOf(event)),
    time: new Date(event.sourceTimeMs),
  };
}

/** Takes the images over from what the function returned, after a look at the rest. */
function take(returned: unknown, draft: Draft): void {
  if (typeof returned !== 'object' || returned === null || Array.isArray(returned)) {
    throw new ValueProblem(
      `it returns ${returned === undefined ? 'undefined' : 'no event'}: return the event, or null to drop it`,
    );
  }
  const result = returned as Readonly<Record<string, unknown>>;
  const original = readEvent(draft) as unknown as Readonly<Record<string, unknown>>;
  for (const name of ['id', 'op', 'ns', 'key', 'ts', 'time']) {
    if (name in result && !isDeepStrictEqual(result[name], original[name])) {
      throw new ValueProblem(`it changes "${name}", which stays as it is`);
    }
  }
  const updateChanged = !isDeepStrictEqual(result['update'], original['update']);
  const afterChanged = takeImage('after', result, draft, original);
  takeImage('before', result, draft, original);
  if (updateChanged) takeImage('update', result, draft, original);
  else if (afterChanged) draft.replace('update', undefined);
}

function takeImage(
  image: 'after' | 'before' | 'update',
  result: Readonly<Record<string, unknown>>,
  draft: Draft,
  original: Readonly<Record<string, unknown>>,
): boolean {
  if (isDeepStrictEqual(result[image], original[image])) return false;
  const bytes = draft.image(image);
  const value = result[image];
  if (value === undefined || value === null) draft.replace(image, undefined);
  else if (bytes === undefined) throw new ValueProblem(`it gives "${image}" to an event that has none`);
  else draft.replace(image, writeDocument(value, bytes, image));
  return true;
}
