import type { VersionNumber } from '../../core/version-number.ts';

/** One thing that is to be done with one document. Without `bson` and `json` the document is deleted. */
export interface BulkItem {
  readonly index: string;
  readonly id: string;
  readonly version: VersionNumber;
  readonly routing: string | undefined;
  /** The document as BSON. */
  readonly bson?: Uint8Array | undefined;
  /** The document as JSON. */
  readonly json?: Buffer | undefined;
}

/** Items as they are sent: the body of a request and where in it each of them ends. */
export interface BulkRequest<Item extends BulkItem = BulkItem> {
  /** At least one. */
  readonly items: readonly Item[];
  readonly ends: readonly number[];
  readonly body: Buffer;
  /** The index of all items, when it is not written in each of them. */
  readonly index: string | undefined;
}

/** The request with only the items at these places, in their order. Its bytes are a copy. */
export function pick<Item extends BulkItem>(request: BulkRequest<Item>, places: readonly number[]): BulkRequest<Item> {
  const items: Item[] = [];
  const ends: number[] = [];
  const parts: Buffer[] = [];
  let end = 0;
  for (const place of places) {
    const item = request.items[place];
    if (item === undefined) throw new RangeError('no such item');
    const part = request.body.subarray(request.ends[place - 1] ?? 0, request.ends[place]);
    end += part.length;
    items.push(item);
    parts.push(part);
    ends.push(end);
  }
  return { items, ends, body: Buffer.concat(parts), index: request.index };
}

/** The items of a request of at least two in two requests, in their order, with about as many in each. */
export function halves<Item extends BulkItem>(request: BulkRequest<Item>): readonly BulkRequest<Item>[] {
  const middle = Math.ceil(request.items.length / 2);
  const places = [...request.items.keys()];
  return [pick(request, places.slice(0, middle)), pick(request, places.slice(middle))];
}
