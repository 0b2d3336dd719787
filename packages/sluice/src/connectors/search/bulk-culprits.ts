import { SluiceError } from '../../core/failure.ts';
import { type BulkAnswer, namesOf } from './bulk-answer.ts';
import type { BulkItem, BulkRequest } from './bulk-request.ts';
import { type ItemError, refused, shownType } from './item-outcome.ts';

/** Items that were refused alone, one after the other, after which it is not believed any more that they are to blame. */
const MOST_IN_A_ROW = 16;
/** No text of an `_id` is like this. */
const CONTROL_ID = '~sluice';

/**
 * Tells whether a request is refused for one of its items. Such an item can be found by sending the request in halves, but only
 * where others are taken: otherwise it is the request as such that the server does not take, and all documents would be
 * rejected for nothing.
 */
export class Culprits {
  #inARow = 0;

  /** To be called whenever a request with documents was taken. */
  taken(): void {
    this.#inARow = 0;
  }

  /**
   * Sends a request like the refused one that does nothing: deletes an id that no document has. Throws `config` when it is
   * refused, too.
   */
  async control(
    request: BulkRequest,
    error: ItemError,
    send: (request: BulkRequest) => Promise<BulkAnswer>,
  ): Promise<void> {
    const answer = await send(controlOf(request));
    if (answer.is === 'done' || answer.is === 'items') return;
    if (answer.is === 'busy') throw busy(request);
    const why = answer.is === 'refused' ? shownType(answer.error.type) : 'it is too large';
    throw new SluiceError(`${namesOf(request)} takes no bulk request at all (${shownType(error.type)}; ${why})`, {
      kind: 'config',
      code: 'search.bulk-refused',
      hint: 'Check `index`, `routing` and `pipeline`, and whether a proxy changes requests. No document was rejected for it.',
    });
  }

  /** The rejection of an item that was refused alone. Throws `internal` when nothing else is taken either. */
  refusedAlone(item: BulkItem, error: ItemError): SluiceError {
    this.#inARow += 1;
    if (this.#inARow <= MOST_IN_A_ROW) return refused(error, item.index);
    throw new SluiceError(
      `the index "${item.index}" refuses one request after the other (${shownType(error.type)}), and none was taken in between`,
      {
        kind: 'internal',
        code: 'search.bulk-refused',
        hint: 'It is hardly the fault of the documents: the log of the cluster says more. Those of this batch are not rejected for it.',
      },
    );
  }
}

function controlOf({ index, items }: BulkRequest): BulkRequest {
  const place = index ?? items[0]?.index ?? '';
  const named = index === undefined ? { _index: place } : {};
  const routing = items[0]?.routing === undefined ? {} : { routing: CONTROL_ID };
  const action = { delete: { _id: CONTROL_ID, ...named, ...routing, version: 1, version_type: 'external' } };
  const body = Buffer.from(`${JSON.stringify(action)}\n`);
  const item = { index: place, id: CONTROL_ID, version: { value: 1n, exact: true }, routing: undefined };
  return { items: [item], ends: [body.length], body, index };
}

function busy(request: BulkRequest): SluiceError {
  return new SluiceError(`${namesOf(request)} does not take writes at the moment`, {
    kind: 'transient',
    code: 'search.busy',
  });
}
