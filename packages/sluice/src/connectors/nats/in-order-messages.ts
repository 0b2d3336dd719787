/** What the order needs to know of a message. */
export interface Delivery {
  /** In the stream. */
  readonly sequence: number;
  /** Each delivery of a consumer has the next number, repeated ones too. */
  readonly delivery: number;
}

/** What a consumer of the server says about itself. Sequences are those of the stream. */
export interface ConsumerState {
  /** Everything up to here is acknowledged. */
  readonly floor: number;
  /** The last message that was ever handed to anybody. */
  readonly delivered: number;
  /** How many messages were handed to somebody and are not acknowledged. */
  readonly ackPending: number;
}

/** What the state is compared with. */
export interface SettleFacts extends ConsumerState {
  /** `jumps` when the state was asked for: a state from before a jump does not know what it passed over. */
  readonly jumps: number;
  /** Sequences that were taken and that the server does not know to be acknowledged. */
  readonly inFlight: readonly number[];
}

/**
 * `settled`: messages can be taken · `waiting`: so many are missing · `crowded`: more have come than are pending, which
 * no owner of this kind causes.
 */
export type Settlement =
  | { readonly outcome: 'settled' | 'crowded' }
  | { readonly outcome: 'waiting'; readonly missing: number };

/**
 * Puts the messages of one consumer back into the order of their stream. What an owner had not acknowledged when it went
 * away comes again later, in any order and mixed with newer messages; and so does a delivery that was lost on its way,
 * which the numbers of the deliveries show by a jump. Until those are there everything is held (`settle`). From then on
 * the server hands everything out in order, and what comes a second time is known. Not a word to anybody: whoever uses
 * it acknowledges.
 */
export class InOrderMessages<Message extends Delivery> {
  /** What has come before everything was there; undefined from then on. */
  #held: Map<number, Message> | undefined = new Map();
  #queue: Message[] = [];
  #next = 0;
  #last = 0;
  /** The last one that was taken, or that needs not be. */
  #past = 0;
  #delivery: number | undefined;
  #jumps = 0;

  /** True while messages can be taken. */
  get isSettled(): boolean {
    return this.#held === undefined;
  }

  /** How often deliveries were missing. */
  get jumps(): number {
    return this.#jumps;
  }

  /** Messages that wait to be taken, or to be put in order. */
  get size(): number {
    return this.#held?.size ?? this.#queue.length - this.#next;
  }

  /** The highest sequence that was in order so far; 0 before it is settled for the first time. */
  get last(): number {
    return this.#last;
  }

  /** `again`: it waits already. `past`: it was taken before, or is acknowledged. */
  add(message: Message): 'new' | 'again' | 'past' {
    const { sequence, delivery } = message;
    if (this.#delivery !== undefined && delivery !== this.#delivery + 1) this.#hold();
    this.#delivery = delivery;
    if (sequence <= this.#past) return 'past';
    if (this.#held !== undefined) {
      if (this.#held.has(sequence)) return 'again';
      this.#held.set(sequence, message);
      return 'new';
    }
    if (sequence <= this.#last) return this.waiting().some((each) => each.sequence === sequence) ? 'again' : 'past';
    this.#queue.push(message);
    this.#last = sequence;
    return 'new';
  }

  /**
   * Compares what has come with a state of the consumer that was asked for after the first message had come. Owners
   * acknowledge in order, so behind the floor every message that was handed out is pending: as many here as there means
   * that none is missing. Messages up to the floor are dropped, they were acknowledged by the owner before.
   */
  settle({ floor, delivered, ackPending, jumps, inFlight }: SettleFacts): Settlement {
    const held = this.#held;
    if (held === undefined) return { outcome: 'settled' };
    for (const sequence of held.keys()) if (sequence <= floor) held.delete(sequence);
    const known = [...held.keys(), ...inFlight].filter((sequence) => sequence > floor && sequence <= delivered).length;
    if (known < ackPending || jumps !== this.#jumps) {
      return { outcome: 'waiting', missing: Math.max(1, ackPending - known) };
    }
    if (known > ackPending) return { outcome: 'crowded' };
    this.#queue = inOrder(held);
    this.#last = Math.max(this.#last, this.#queue.at(-1)?.sequence ?? Math.max(floor, delivered));
    this.#past = Math.max(this.#past, floor);
    this.#held = undefined;
    return { outcome: 'settled' };
  }

  /** The next message without taking it. */
  get first(): Message | undefined {
    return this.#held === undefined ? this.#queue[this.#next] : undefined;
  }

  /** The next messages in order, at most so many; none while they are held. */
  take(most: number): readonly Message[] {
    if (this.#held !== undefined) return [];
    const taken = this.#queue.slice(this.#next, this.#next + most);
    this.#next += taken.length;
    this.#past = Math.max(this.#past, taken.at(-1)?.sequence ?? 0);
    if (this.#next === this.#queue.length) this.#clear();
    return taken;
  }

  /** Everything that was not taken, in order. */
  waiting(): readonly Message[] {
    return this.#held === undefined ? this.#queue.slice(this.#next) : inOrder(this.#held);
  }

  /** A delivery was lost. It comes again, and everything that has not been taken may have to wait for it. */
  #hold(): void {
    this.#jumps += 1;
    if (this.#held !== undefined) return;
    this.#held = new Map(this.waiting().map((message) => [message.sequence, message]));
    this.#clear();
  }

  #clear(): void {
    this.#queue = [];
    this.#next = 0;
  }
}

function inOrder<Message extends Delivery>(messages: ReadonlyMap<number, Message>): Message[] {
  return [...messages.values()].sort((a, b) => a.sequence - b.sequence);
}
