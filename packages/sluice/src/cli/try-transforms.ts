import { readFile } from 'node:fs/promises';
import { buffer } from 'node:stream/consumers';
import { BsonType, fieldsOf, findField } from '../bson/elements.ts';
import { JsonToBson } from '../bson/json-to-bson.ts';
import { NamespaceCache } from '../bson/namespace-cache.ts';
import { parseChangeEvent } from '../bson/raw-change-event.ts';
import { formatNamespace } from '../core/change-event.ts';
import type { Envelope } from '../core/envelope.ts';
import { asSluiceError, SluiceError } from '../core/failure.ts';
import type { Transform, Transformed } from '../core/transform.ts';
import { documentEncoder } from '../formats/value-encoder.ts';
import { createTransforms } from '../transforms/create-transforms.ts';
import { type Invocation, type Outcome, usageError } from './action.ts';
import { changeLine } from './change-line.ts';
import { EXIT } from './exit-code.ts';
import { loadCalled } from './load.ts';
import { onePipeline } from './select-pipelines.ts';
import { listenForSignals } from './signals.ts';
import type { Terminal } from './terminal.ts';
import type { TransformTestOptions } from './transform.ts';

/** One event of the file. */
interface Sample {
  /** Its line, or its place in the array, from 1. */
  readonly number: number;
  readonly envelope: Envelope;
}

/** `sluice transform test FILE` */
export async function tryTransforms(invocation: Invocation<TransformTestOptions>): Promise<Outcome> {
  const { options, args, terminal } = invocation;
  const { config } = await loadCalled(invocation);
  const pipeline = onePipeline(config, options.pipeline);
  const samples = readSamples(await readInput(String(args[0])));
  using signals = listenForSignals();
  const signal = signals.stop;
  await using resources = new AsyncDisposableStack();
  const transforms = await createTransforms(pipeline.transforms, { pipeline: pipeline.name, signal });
  for (const transform of transforms) resources.defer(async () => transform[Symbol.asyncDispose]?.());
  const results = await applyAll(transforms, samples, signal);
  const rejected = results.filter((result) => result instanceof SluiceError).length;
  const dropped = results.filter((result) => result === undefined).length;
  return {
    exitCode: rejected > 0 ? EXIT.assertion : EXIT.ok,
    verbatim: true,
    result: { pipeline: pipeline.name, transforms: pipeline.transforms.length, events: asReports(samples, results) },
    text: asText(samples, results, { terminal, summary: { read: samples.length, dropped, rejected } }),
  };
}

async function readInput(file: string): Promise<Buffer> {
  try {
    return file === '-' ? await buffer(process.stdin) : await readFile(file);
  } catch (cause) {
    const { message } = asSluiceError(cause);
    throw usageError(`${file} cannot be read: ${message.replace(/^unexpected error: /, '')}`);
  }
}

/** The events of the input. One that cannot be read is a mistake of the call and not of the transforms. */
function readSamples(input: Buffer): readonly Sample[] {
  const text = input.toString('latin1');
  const json = new JsonToBson({ legacy: false });
  const namespaces = new NamespaceCache();
  const sample = (number: number, read: () => Uint8Array): Sample => {
    try {
      const event = parseChangeEvent(read(), namespaces);
      return { number, envelope: { event, namespace: event.namespace } };
    } catch (cause) {
      throw usageError(`event ${number} cannot be read: ${asSluiceError(cause).message}`, INPUT_HINT);
    }
  };
  if (text.trimStart().startsWith('[')) {
    const wrapped = sampleArray(json, input);
    return wrapped.map((bytes, index) => sample(index + 1, () => bytes));
  }
  return text
    .split('\n')
    .map((line, index) => ({ line: line.trim(), number: index + 1 }))
    .filter(({ line }) => line !== '')
    .map(({ line, number }) => sample(number, () => json.document(Buffer.from(line, 'latin1'))));
}

const INPUT_HINT = 'events are expected as "sluice tail --json" prints them: one on each line, or a JSON array';

function sampleArray(json: JsonToBson, input: Buffer): readonly Uint8Array[] {
  try {
    const events = findField(json.document(Buffer.concat([Buffer.from('{"e":'), input, Buffer.from('}')])), 'e');
    return events?.type === BsonType.array ? [...fieldsOf(events.bytes)].map(({ bytes }) => bytes) : [];
  } catch (cause) {
    throw usageError(`the array cannot be read: ${asSluiceError(cause).message}`, INPUT_HINT);
  }
}

async function applyAll(
  transforms: readonly Transform[],
  samples: readonly Sample[],
  signal: AbortSignal,
): Promise<readonly Transformed[]> {
  const results: Transformed[] = samples.map(({ envelope }) => envelope);
  for (const transform of transforms) {
    const going = results.flatMap((result, index) => (isEnvelope(result) ? [{ result, index }] : []));
    const done = await transform.apply(
      going.map(({ result }) => result),
      signal,
    );
    for (const [place, { index }] of going.entries()) results[index] = done[place];
  }
  return results;
}

function isEnvelope(result: Transformed): result is Envelope {
  return result !== undefined && !(result instanceof SluiceError);
}

function asReports(samples: readonly Sample[], results: readonly Transformed[]): readonly object[] {
  // The types of numbers survive in it, whoever reads it.
  const encode = documentEncoder('canonical');
  return results.map((result, index) => {
    const { number } = samples[index] as Sample;
    if (result === undefined) return { number, outcome: 'dropped' };
    if (result instanceof SluiceError) {
      const { code, message, hint } = result;
      return { number, outcome: 'rejected', error: { code, message, hint } };
    }
    const { event, namespace, original } = result;
    const changed = original !== undefined || namespace !== event.namespace;
    const shown: unknown = JSON.parse(encode(event.raw).toString());
    return { number, outcome: changed ? 'changed' : 'unchanged', namespace: formatNamespace(namespace), event: shown };
  });
}

interface Showing {
  readonly terminal: Terminal;
  readonly summary: { readonly read: number; readonly dropped: number; readonly rejected: number };
}

function asText(samples: readonly Sample[], results: readonly Transformed[], { terminal, summary }: Showing): string {
  const { paint } = terminal;
  const encode = documentEncoder('relaxed');
  const image = (name: string, bytes: Uint8Array | undefined) =>
    bytes === undefined ? '' : `    ${paint('gray', name.padEnd(6))} ${encode(bytes).toString()}\n`;
  const lines = results.map((result, index) => {
    const { number, envelope } = samples[index] as Sample;
    const head = `${number}: ${changeLine(envelope, { paint, width: 60 })}\n`;
    if (result === undefined) return `${head}  ${paint('yellow', 'dropped')}\n`;
    if (result instanceof SluiceError) {
      return `${head}  ${paint('red', 'rejected')}: ${result.message} (${result.code})\n`;
    }
    const { event, namespace, original } = result;
    const renamed = namespace === event.namespace ? '' : ` as ${formatNamespace(namespace)}`;
    if (original === undefined)
      return `${head}  ${renamed === '' ? 'unchanged' : paint('green', `goes on${renamed}`)}\n`;
    const images = image('after', event.after()) + image('before', event.before()) + image('update', event.update());
    return `${head}  ${paint('green', `changed${renamed}`)}\n${images}`;
  });
  const { read, dropped, rejected } = summary;
  return `${lines.join('')}${read} events: ${read - dropped - rejected} go on, ${dropped} dropped, ${rejected} rejected\n`;
}
