import type { NamespaceCache } from '../../bson/namespace-cache.ts';
import { parseChangeEvent } from '../../bson/raw-change-event.ts';
import type { CursorReply } from '../../bson/reply.ts';
import { clusterTimeOfToken } from '../../bson/resume-token.ts';
import type { ChangeEvent } from '../../core/change-event.ts';
import { asSluiceError } from '../../core/failure.ts';
import { comparePositions, type Position } from '../../core/position.ts';
import { isCaughtUp } from './batch-size.ts';
import { laterPosition, type Progress } from './resume.ts';
import type { StreamBatch } from './snapshot/anchor.ts';
import { SplitEvents } from './split-events.ts';
import { UnreadableEvent } from './unreadable-event.ts';

/** What the batches of one cursor depend on. */
export interface BatchOptions {
  /** Events up to here are dropped. */
  readonly skipThrough: Position | undefined;
  /** Whether the server cuts large events into pieces. */
  readonly split: boolean;
  readonly namespaces: NamespaceCache;
}

const NOWHERE: Position = { token: '', clusterTime: { t: 0, i: 0 } };

/** Turns the answers of one cursor into batches, and remembers how far it got. */
export class EventBatches implements Progress {
  readonly #options: BatchOptions;
  readonly #pieces: SplitEvents | undefined;
  #skipThrough: Position | undefined;
  #position: Position | undefined;
  #sawEvent = false;

  constructor(options: BatchOptions) {
    this.#options = options;
    this.#pieces = options.split ? new SplitEvents() : undefined;
    this.#skipThrough = options.skipThrough;
  }

  get position(): Position | undefined {
    return this.#position;
  }

  get sawEvent(): boolean {
    return this.#sawEvent;
  }

  /**
   * The batch in an answer to a request for `asked` events; undefined when it moves nothing (the middle of a split
   * event, or no event and no token). The position is the last event's; the server's post-batch token is only used
   * where there is no event, or when the cursor has ended behind one we did not get to see (a filtered `invalidate`).
   */
  next(reply: CursorReply, asked: number): StreamBatch | undefined {
    const events = this.#eventsOf(reply.events);
    const last = events.at(-1);
    if (last !== undefined) this.#moveTo(last.position);
    if (this.#pieces?.unfinished !== true && (last === undefined || reply.id === 0n)) {
      this.#moveTo(tokenPosition(reply.postBatchResumeToken));
    }
    if (this.#position === undefined || (last === undefined && this.#pieces?.unfinished === true)) return undefined;
    let bytes = 0;
    for (const event of events) bytes += event.size;
    const empty = asked > 0 && reply.events.length === 0;
    const caughtUp = isCaughtUp(asked, reply.events.length, reply.bytes);
    return { events, position: this.#position, bytes, caughtUp, empty };
  }

  #eventsOf(raws: readonly Uint8Array[]): ChangeEvent[] {
    const events: ChangeEvent[] = [];
    for (const raw of raws) {
      this.#sawEvent = true;
      const event = this.#parse(raw, events.at(-1));
      if (event !== undefined && this.#isNew(event)) events.push(event);
    }
    return events;
  }

  /** Positions only grow, so the comparison ends with the first event that is new. */
  #isNew(event: ChangeEvent): boolean {
    if (this.#skipThrough === undefined) return true;
    if (comparePositions(event.position, this.#skipThrough) <= 0) return false;
    this.#skipThrough = undefined;
    return true;
  }

  /** Undefined for a piece of an event whose other pieces are still to come. */
  #parse(raw: Uint8Array, previous: ChangeEvent | undefined): ChangeEvent | undefined {
    try {
      const whole = this.#pieces === undefined ? raw : this.#pieces.add(raw);
      return whole === undefined ? undefined : parseChangeEvent(whole, this.#options.namespaces);
    } catch (error) {
      if (asSluiceError(error).kind !== 'rejected') throw error;
      return new UnreadableEvent(raw, error, previous?.position ?? this.#position ?? NOWHERE);
    }
  }

  #moveTo(position: Position | undefined): void {
    if (position !== undefined) this.#position = laterPosition(this.#position ?? this.#options.skipThrough, position);
  }
}

function tokenPosition(token: string | undefined): Position | undefined {
  return token === undefined ? undefined : { token, clusterTime: clusterTimeOfToken(token) };
}
