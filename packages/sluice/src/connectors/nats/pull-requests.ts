import { createInbox, type Msg, type MsgHdrs, type Subscription } from '@nats-io/transport-node';
import type { NatsClient } from './client.ts';
import { consumerGone, notPinned, pinLost, pullRefused } from './consumer-problems.ts';
import { PIN_GROUP } from './consumer-setup.ts';
import { type Moment, momentNow, PinAge } from './pin-age.ts';

const NANOS_PER_MS = 1_000_000;
const LONGEST_PULL_MS = 5000;
/** A request about which nothing is heard so long after its end was lost on its way. */
const GRACE_MS = 2000;
/** How long to wait where the server cannot serve a request now. */
const PAUSE_MS = 250;
/** Two requests at a time: one is filled while the next is on its way. */
const SLOTS = 2;
const PIN_HEADER = 'Nats-Pin-Id';
/** Signs of life within the time-out of the pin: some answers may be late. */
const SIGNS_PER_TIMEOUT = 10;
/** How long the server keeps a sign of life when it has nothing to compare it with. */
const SIGN_EXPIRES_MS = 5;

/** How much more may come. */
export interface Room {
  readonly messages: number;
  /** Undefined: as many as come. */
  readonly bytes: number | undefined;
  /** One request takes all of it. */
  readonly whole: boolean;
}

/** What pulling is made of. */
export interface PullOptions {
  readonly client: NatsClient;
  readonly stream: string;
  readonly durable: string;
  readonly pinTimeoutMs: number;
  /** Asked before each request; what is under way is taken off by this class. */
  readonly room: () => Room;
  readonly onMessage: (message: Msg) => void;
  /** The server has made this client the owner, or has confirmed it. */
  readonly onPinned: () => void;
  readonly onFailure: (error: unknown) => void;
}

interface Slot {
  readonly inbox: string;
  subscription: Subscription | undefined;
  request: number;
  /** Messages that the request may still bring; 0: there is none. */
  remaining: number;
  deadlineMs: number;
}

/**
 * Requests messages of one consumer as a member of its priority group. Until the server has pinned this client it asks
 * for one message and waits; from then on it asks for as much as there is room, and gives signs of life beside that,
 * which the server answers at once: they keep the pin, and tell how long it is certain. A pin that is lost, or may have
 * run out, is an error: somebody else reads on.
 */
export class PullRequests {
  readonly #options: PullOptions;
  readonly #slots: readonly Slot[];
  readonly #subject: string;
  #pinId: string | undefined;
  #pinAge: PinAge | undefined;
  /** When the signs of life were sent that are not answered, by their numbers. */
  readonly #signs = new Map<number, Moment>();
  #signedMs = Number.NEGATIVE_INFINITY;
  #requests = 0;
  #pausedUntilMs = 0;
  /** A message did not fit: the next request has no limit of bytes, and is for one. */
  #tooLarge = false;
  #stopped = false;

  constructor(options: PullOptions) {
    this.#options = options;
    this.#subject = `$JS.API.CONSUMER.MSG.NEXT.${options.stream}.${options.durable}`;
    this.#slots = Array.from({ length: SLOTS }, () => ({
      inbox: createInbox(),
      subscription: undefined,
      request: 0,
      remaining: 0,
      deadlineMs: 0,
    }));
  }

  get isPinned(): boolean {
    return this.#pinId !== undefined;
  }

  /** True when the server has confirmed the pin so lately that something may still be begun. */
  get isCertain(): boolean {
    return this.#pinAge?.isCertain ?? false;
  }

  /** True when the pin may have run out. */
  get isOver(): boolean {
    return this.#pinAge?.isOver ?? false;
  }

  start(): void {
    for (const slot of this.#slots) {
      // Messages come with their own subject, words of the server with that of the request.
      slot.subscription = this.#options.client.connection.subscribe(`${slot.inbox}.*`, {
        callback: (error, message) => (error === null ? this.#receive(slot, message) : this.#options.onFailure(error)),
      });
    }
    this.ask();
  }

  /** Sends what requests there is room for. Also to be called every now and then: it notices requests that were lost. */
  ask(): void {
    if (this.#stopped) return;
    const nowMs = performance.now();
    this.#keepPin(nowMs);
    for (const slot of this.#slots) if (nowMs > slot.deadlineMs) slot.remaining = 0;
    if (nowMs < this.#pausedUntilMs) return;
    const slots = this.#pinId === undefined ? this.#slots.slice(0, 1) : this.#slots;
    for (const slot of slots) if (slot.remaining === 0) this.#fill(slot, nowMs);
  }

  /** Asks for nothing more; resolves when nothing can come any more. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.all(this.#slots.flatMap(({ subscription }) => subscription?.drain() ?? []));
  }

  #fill(slot: Slot, nowMs: number): void {
    if (this.#pinId === undefined || this.#tooLarge) {
      if (this.#pinId !== undefined && this.#slots.some(({ remaining }) => remaining > 0)) return;
      if (this.#pinId === undefined || this.#options.room().messages > 0) this.#request(slot, { batch: 1 }, nowMs);
      return;
    }
    const room = this.#options.room();
    const underWay = this.#slots.reduce((sum, { remaining }) => sum + remaining, 0);
    const free = room.messages - underWay;
    // Not for every message that was taken.
    if (free <= 0 || (underWay > 0 && free < room.messages / (2 * SLOTS))) return;
    if (room.bytes !== undefined && room.bytes <= 0) return;
    const share = room.whole ? 1 : SLOTS;
    const batch = Math.ceil(free / share);
    const bytes = room.bytes === undefined ? {} : { max_bytes: Math.ceil(room.bytes / share) };
    this.#request(slot, { batch, ...bytes }, nowMs);
  }

  /**
   * The server hears from this client, and delivers nothing: no message is as small as that. It answers at once, and
   * also where no message can be delivered, because the request expires.
   */
  #keepPin(nowMs: number): void {
    if (this.#pinId === undefined || nowMs - this.#signedMs < this.#options.pinTimeoutMs / SIGNS_PER_TIMEOUT) return;
    this.#signedMs = nowMs;
    const number = ++this.#requests;
    this.#signs.set(number, momentNow());
    const request = { batch: 1, max_bytes: 1, expires: SIGN_EXPIRES_MS * NANOS_PER_MS };
    this.#send(`${(this.#slots[0] as Slot).inbox}.${number}`, request);
  }

  #request(slot: Slot, limits: { readonly batch: number; readonly max_bytes?: number }, nowMs: number): void {
    const expiresMs = Math.min(LONGEST_PULL_MS, this.#options.pinTimeoutMs / 3);
    slot.request = ++this.#requests;
    slot.remaining = limits.batch;
    slot.deadlineMs = nowMs + expiresMs + GRACE_MS;
    this.#send(`${slot.inbox}.${slot.request}`, { ...limits, expires: Math.round(expiresMs * NANOS_PER_MS) });
  }

  #send(reply: string, request: object): void {
    const pin = this.#pinId === undefined ? {} : { id: this.#pinId };
    try {
      const body = JSON.stringify({ ...request, group: PIN_GROUP, ...pin });
      this.#options.client.connection.publish(this.#subject, body, { reply });
    } catch (error) {
      this.#options.onFailure(error);
    }
  }

  #receive(slot: Slot, message: Msg): void {
    const { headers } = message;
    if (message.subject.startsWith(slot.inbox) && headers !== undefined && headers.code > 0) {
      this.#hear(slot, message.subject, headers);
      return;
    }
    slot.remaining = Math.max(0, slot.remaining - 1);
    this.#tooLarge = false;
    this.#options.onMessage(message);
    if (this.#pinId === undefined) {
      const pinId = headers?.get(PIN_HEADER) ?? '';
      if (pinId === '') return this.#options.onFailure(notPinned(this.#options.durable));
      this.#pinId = pinId;
      this.#pinAge = new PinAge(this.#options.pinTimeoutMs);
      this.#keepPin(performance.now());
      this.#options.onPinned();
    }
    if (slot.remaining === 0) this.ask();
  }

  /** Words of the server about a request; it is over with them. */
  #hear(slot: Slot, subject: string, { code, description }: MsgHdrs): void {
    const own = subject === `${slot.inbox}.${slot.request}`;
    if (own) slot.remaining = 0;
    if (code === 423) return this.#options.onFailure(pinLost(this.#options.durable));
    if (code === 409 && /consumer deleted/i.test(description)) {
      return this.#options.onFailure(consumerGone(this.#options.durable));
    }
    if (code === 400) return this.#options.onFailure(pullRefused(this.#options.durable, description));
    const tooLarge = code === 409 && /maxbytes/i.test(description);
    if (!own) {
      // Others than the pinned client get another answer.
      if (code === 404 || code === 408 || tooLarge) this.#confirm(Number(subject.slice(slot.inbox.length + 1)));
      return;
    }
    if (tooLarge) this.#tooLarge = true;
    else if (code !== 404 && code !== 408) this.#pausedUntilMs = performance.now() + PAUSE_MS;
    this.ask();
  }

  /** The server has answered the sign of life of this number as it answers the owner. */
  #confirm(number: number): void {
    const sent = this.#signs.get(number);
    if (sent === undefined) return;
    for (const earlier of this.#signs.keys()) if (earlier <= number) this.#signs.delete(earlier);
    this.#pinAge?.confirmed(sent);
    this.#options.onPinned();
  }
}
