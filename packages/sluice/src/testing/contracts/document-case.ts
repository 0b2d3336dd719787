import assert from 'node:assert/strict';
import * as b from '../../bson/test-support/bson-bytes.ts';
import type { ChangeEvent } from '../../core/change-event.ts';
import type { Rejection, Sink, WriteContext, WriteResult } from '../../core/sink.ts';
import type { Random } from '../random.ts';
import { type DocumentEventInit, documentEvent, streamTime } from './document-events.ts';

/*
 * What the cases of the contract of sinks that keep documents share: opening, writing, and looking at what is kept.
 */

/** A sink over the same place every time it is opened within one test. */
export interface DocumentSinkFixture {
  /** Opens the sink, as a new process would. */
  open(): Promise<Sink>;
  /** The field `n` of every document that readers can see now, by the name that the document's id has in the target. */
  documents(coll: string): Promise<ReadonlyMap<string, number>>;
  /** The name of the `_id` in a document key. */
  nameOf(key: Uint8Array): string;
  cleanup?(): Promise<void>;
}

/** A fixture, with what one case has of its own. */
export interface Case extends DocumentSinkFixture {
  readonly coll: string;
  readonly random: Random;
}

const PARTITION = 'contract/0';
const LATEST = new AbortController().signal;

/** Changes of numbered documents, each later than the one before. */
export function changesOf({ coll }: Case, from = 0) {
  let sequence = from;
  const change = (op: DocumentEventInit['op']) => (id: number) =>
    documentEvent({ op, coll, id: b.int32(id), sequence: ++sequence });
  return { insert: change('insert'), update: change('update'), delete: change('delete'), row: change('snapshot') };
}

/** An update that says neither what the document is now nor what has changed. */
export function broken({ coll }: Case, id: number): ChangeEvent {
  return documentEvent({ op: 'update', coll, id: b.int32(id), sequence: 900, withoutDocument: true });
}

export function mixedChanges({ coll, random }: Case, count: number): ChangeEvent[] {
  return Array.from({ length: count }, (_, sequence) => {
    const op = random.chance(0.3) ? 'delete' : random.pick(['insert', 'update', 'replace'] as const);
    return documentEvent({ op, coll, id: b.int32(random.int(25)), sequence });
  });
}

/** The events in batches of any size. */
export function* cut(events: readonly ChangeEvent[], random: Random): Generator<readonly ChangeEvent[]> {
  for (let done = 0; done < events.length; ) {
    const end = done + 1 + random.int(80);
    yield events.slice(done, end);
    done = end;
  }
}

export function laneOf(event: ChangeEvent): number {
  const key = Buffer.from(keyIn(event));
  return key.readInt32LE(key.length - 5) % 2;
}

export function keyIn(event: ChangeEvent): Uint8Array {
  const key = event.key();
  if (key === undefined) throw new Error(`${event.op} has no key`);
  return key;
}

/** What is kept after these events, one after the other. */
export async function assertHeld(c: Case, events: readonly ChangeEvent[]): Promise<void> {
  const expected = new Map<string, number>();
  for (const event of events) {
    const name = c.nameOf(keyIn(event));
    const after = event.after();
    if (after === undefined) expected.delete(name);
    else expected.set(name, numberIn(after));
  }
  assert.deepEqual(sorted(await c.documents(c.coll)), sorted(expected));
}

const sorted = (documents: ReadonlyMap<string, number>) => [...documents].toSorted(([a], [z]) => (a < z ? -1 : 1));

function numberIn(document: Uint8Array): number {
  const at = Buffer.from(document).indexOf('\x10n\0', 0, 'latin1');
  return Buffer.from(document).readInt32LE(at + 3);
}

export function describe({ envelope, error }: Rejection): string {
  return `${envelope.event.id} ${error.kind}`;
}

/** An open sink whose partition is taken over. */
export interface OpenSink extends AsyncDisposable {
  readonly inner: Sink;
  write(
    events: readonly ChangeEvent[],
    context?: Partial<WriteContext>,
  ): Promise<WriteResult & { readonly rejections: readonly Rejection[] }>;
}

/** Opens the sink and takes the partition over where the sink keeps that. */
export async function openAt({ open }: Case): Promise<OpenSink> {
  const inner = await open();
  const epoch = (await inner.checkpoints?.claim(PARTITION, LATEST))?.epoch ?? 1;
  return {
    inner,
    async write(events, context = {}) {
      const rejections: Rejection[] = [];
      const position = events.at(-1)?.position ?? { token: '', clusterTime: streamTime(0) };
      const checkpoint = {
        partition: PARTITION,
        epoch,
        position,
        deployment: 'rs0',
        fingerprint: 'f',
        savedAtMs: Date.now(),
      };
      const result = await inner.write(
        events.map((event) => ({ event, namespace: event.namespace })),
        { checkpoint, signal: LATEST, reject: async (more) => void rejections.push(...more), ...context },
      );
      return { ...result, rejections };
    },
    [Symbol.asyncDispose]: () => inner[Symbol.asyncDispose](),
  };
}
