import { SluiceError } from '../../core/failure.ts';
import { type BulkAnswer, namesOf } from './bulk-answer.ts';
import type { BulkItem, BulkRequest } from './bulk-request.ts';
import { type ItemError, refused, shownType } from './item-outcome.ts';

/** Items that were refused one after the other, after which it is not believed any more that they are to blame. */
const MOST_IN_A_ROW = 16;
/** No text of an `_id` is like this. */
const CONTROL_ID = '~sluice';
/** No document was ever written at such a place, so that an action that demands it conflicts and does nothing. */
const NEVER = { if_seq_no: Number.MAX_SAFE_INTEGER, if_primary_term: 1 };

/**
 * Tells whether a request is refused for one of its items. Such an item can be found by sending the request in halves, but only
 * where others are taken: otherwise it is the request as such that the server does not take, and all documents would be
 * rejected for nothing. The same holds for errors of single items that may have nothing to do with them.
 */
export class Culprits {
  /** By sort. Empty nearly always. */
  readonly #inARow = new Map<string, number>();

  /** To be called with items that were taken. */
  taken(items: Iterable<BulkItem>): void {
    if (this.#inARow.size === 0) return;
    for (const item of items) this.#inARow.delete(sortOf(item));
  }

  /**
   * Sends a request like the refused one that does nothing: it has one action of each sort, with an id that no document has.
   * Throws `config` when it is refused, too.
   */
  async control(
    request: BulkRequest,
    error: ItemError,
    send: (request: BulkRequest) => Promise<BulkAnswer>,
  ): Promise<void> {
    const answer = await send(controlOf(request));
    if (answer.is === 'done' || answer.is === 'items' || answer.is === 'answer-too-large') return;
    if (answer.is === 'busy') throw busy(request);
    const why = answer.is === 'refused' ? shownType(answer.error.type) : 'it is too large';
    throw new SluiceError(`${namesOf(request)} takes no bulk request at all (${shownType(error.type)}; ${why})`, {
      kind: 'config',
      code: 'search.bulk-refused',
      hint: 'Check `index`, `routing` and `pipeline`, and whether a proxy changes requests. No document was rejected for it.',
    });
  }

  /** The rejection of an item that was refused alone. Throws `internal` when nothing of its sort is taken any more. */
  refusedAlone(item: BulkItem, error: ItemError): SluiceError {
    const count = (this.#inARow.get(sortOf(item)) ?? 0) + 1;
    this.#inARow.set(sortOf(item), count);
    if (count <= MOST_IN_A_ROW) return refused(error, item.index);
    throw new SluiceError(
      `the index "${item.index}" refuses one write after the other (${shownType(error.type)}), and none was taken in between`,
      {
        kind: 'internal',
        code: 'search.bulk-refused',
        hint: 'It is hardly the fault of the documents: the log of the cluster says more. If a processor of an ingest pipeline fails, give it `on_failure`. Those of this batch are not rejected for it.',
      },
    );
  }
}

/** What is taken by the index of an item says nothing of others, and what passes by a pipeline nothing of what goes through it. */
export function sortOf({ index, bson, json }: BulkItem): string {
  const action = bson === undefined ? (json === undefined ? 'delete' : 'ready') : 'document';
  return `${action} ${index}`;
}

function controlOf({ index, items }: BulkRequest): BulkRequest {
  const examples = [...new Map(items.map((item) => [sortOf(item).split(' ', 1)[0], item])).values()];
  const lines = examples.map((example) => controlLines(example, index === undefined));
  const controls = examples.map((example) => ({
    index: example.index,
    id: CONTROL_ID,
    version: { value: 1n, exact: true },
    routing: undefined,
  }));
  const body = Buffer.from(lines.join(''));
  let end = 0;
  return { items: controls, ends: lines.map((text) => (end += Buffer.byteLength(text))), body, index };
}

function controlLines({ index, routing, bson, json }: BulkItem, isNamed: boolean): string {
  const common = {
    _id: CONTROL_ID,
    ...(isNamed ? { _index: index } : {}),
    ...(routing === undefined ? {} : { routing: CONTROL_ID }),
  };
  if (bson === undefined && json === undefined) {
    return `${JSON.stringify({ delete: { ...common, version: 1, version_type: 'external' } })}\n`;
  }
  const pipeline = json === undefined ? {} : { pipeline: '_none' };
  return `${JSON.stringify({ index: { ...common, ...pipeline, ...NEVER } })}\n{}\n`;
}

function busy(request: BulkRequest): SluiceError {
  return new SluiceError(`${namesOf(request)} does not take writes at the moment`, {
    kind: 'transient',
    code: 'search.busy',
  });
}
