import type { ConsumerInfo, StreamInfo } from '@nats-io/jetstream';
import type { Msg } from '@nats-io/transport-node';
import type { OnPositionLost } from '../../core/connector.ts';
import { SluiceError } from '../../core/failure.ts';
import type { Logger } from '../../core/logger.ts';
import type { PartOffset } from '../../core/source.ts';
import type { NatsClient } from './client.ts';
import type { NatsSourceConfig } from './config.ts';
import { consumerGone, otherOwner, PIN_LOST, pinDoubtful } from './consumer-problems.ts';
import { type ConsumerName, findConsumer, PIN_GROUP, STREAM_MISSING, streamInfo } from './consumer-setup.ts';
import { type DeliveredMessage, deliveredMessage } from './delivered-message.ts';
import { InFlightMessages } from './in-flight-messages.ts';
import { InOrderMessages } from './in-order-messages.ts';
import { PullRequests, type Room } from './pull-requests.ts';
import { StreamGaps } from './stream-gaps.ts';

/** What one part of a stream is read with. */
export interface StreamPartOptions {
  readonly config: NatsSourceConfig;
  readonly name: ConsumerName;
  readonly client: NatsClient;
  readonly policy: OnPositionLost;
  readonly logger: Logger;
  /** True when limits of the stream may remove messages that nobody has read. */
  readonly removesMessages: boolean;
  /** Messages were lost, and the policy says to go on. */
  readonly onSkipped: () => void;
  /** Something can be taken, or has changed. */
  readonly onNews: () => void;
  readonly onFailure: (error: unknown) => void;
}

/**
 * Reads one consumer while it is pinned to this client: messages in stream order, acknowledged in that order, and
 * everything that is still being worked on told to the server in time, so that nothing is delivered a second time.
 */
export class StreamPart {
  readonly name: ConsumerName;
  readonly #options: StreamPartOptions;
  readonly #pulls: PullRequests;
  readonly #gaps: StreamGaps;
  readonly #order = new InOrderMessages<DeliveredMessage>();
  readonly #inFlight: InFlightMessages;
  #bytes = 0;
  /** Sequences up to here are done. */
  #floor = 0;
  #end: number | undefined;
  #pending: number | undefined;
  /** The sequence that comes next when nothing is missing. */
  #expected = 0;
  /** Messages that the last owner had or that were lost, and that have not come; known from the first look on. */
  #missing = 0;
  #patientUntilMs = 0;
  #standby = false;
  /** True once everything was there that the last owner had. */
  #begun = false;
  #takenOver = false;
  #stopped = false;

  constructor(options: StreamPartOptions) {
    this.#options = options;
    this.name = options.name;
    const watched = options.removesMessages && options.name.subjects.length === 0;
    this.#gaps = new StreamGaps({ ...options, durable: options.name.durable, watched });
    const { client, name, config, onFailure } = options;
    this.#pulls = new PullRequests({
      client,
      stream: config.stream,
      durable: name.durable,
      pinTimeoutMs: config.pinTimeout,
      room: () => this.#room(),
      onMessage: (message) => this.#receive(message),
      onPinned: () => this.#pinned(),
      onFailure: (error) => this.#fail(error),
    });
    this.#inFlight = new InFlightMessages(client, onFailure);
  }

  /** True while somebody else reads this part. */
  get isStandby(): boolean {
    return this.#standby;
  }

  get isAtEnd(): boolean {
    if (this.#standby) return true;
    if (this.#begun && !this.isSettled) return false;
    return this.#order.size === 0 && this.#pending === 0;
  }

  /** True when it is pinned, and everything that comes first is known. */
  get isSettled(): boolean {
    return this.#order.isSettled;
  }

  /** True once after it was taken over from another owner. */
  wasTakenOver(): boolean {
    const takenOver = this.#takenOver;
    this.#takenOver = false;
    return takenOver;
  }

  get offset(): PartOffset {
    return { part: this.name.part, offset: this.#floor + 1, end: this.#end };
  }

  start(): void {
    this.#pulls.start();
  }

  /** The next messages in stream order, as long as the pin is certain. They count as in flight until `acknowledge`. */
  take(most: number): readonly DeliveredMessage[] {
    if (this.#gaps.open.length > 0 || this.#stopped || !this.#pulls.isCertain) return [];
    const taken = this.#order.take(most);
    for (const { bytes } of taken) this.#bytes -= bytes;
    this.#inFlight.add(taken);
    if (taken.length > 0) this.#pulls.ask();
    return taken;
  }

  /** Throws `nats.pin-lost` when something is in flight that may be somebody else's. */
  ensureOwned(): void {
    if (this.#inFlight.isEmpty || (!this.#stopped && this.#pulls.isCertain)) return;
    throw pinDoubtful(this.name.durable);
  }

  /** The first `count` messages in flight are done. The server is not told where somebody else may have them. */
  acknowledge(count: number): void {
    if (count === 0 || !this.#isOwner()) return;
    this.#floor = this.#inFlight.acknowledge(count) ?? this.#floor;
  }

  /** When it resolves, the server knows what was acknowledged before the call, unless somebody else reads on. */
  async confirm(signal: AbortSignal): Promise<void> {
    if (this.#isOwner()) await this.#inFlight.confirm(signal);
  }

  /** Tells the server about messages of which it has not heard for a while; asks for more. */
  keep(): void {
    if (!this.#isOwner()) return;
    this.#inFlight.touch(this.#order.waiting(), this.#options.config.ackWait / 4);
    this.#pulls.ask();
  }

  /** True when it should be looked at soon: messages are held until then. */
  get needsLook(): boolean {
    return this.#gaps.open.length > 0 || (this.#pulls.isPinned && !this.isSettled);
  }

  /** Looks how far the consumer and its stream are. Throws classified errors. */
  async look(signal: AbortSignal): Promise<void> {
    const { client, config } = this.#options;
    const { isPinned } = this.#pulls;
    const gaps = this.#gaps.open;
    const { jumps } = this.#order;
    const stream = await this.#streamInfo(signal);
    const info = await findConsumer(client, config.stream, this.name.durable, signal);
    if (this.#stopped) return;
    if (info === undefined) throw consumerGone(this.name.durable);
    this.#end = stream.state.last_seq + 1;
    if (!isPinned) this.#watch(info);
    else if (this.isSettled) this.#compare(info, stream);
    else this.#settle(info, jumps);
    // A gap that has come up meanwhile is not judged by what was known before it.
    this.#gaps.judge(gaps, stream.state.first_seq);
    this.#options.onNews();
  }

  /** A stream takes its consumers with it: one that is created anew must not be read as if nothing had been. */
  async #streamInfo(signal: AbortSignal): Promise<StreamInfo> {
    try {
      return await streamInfo(this.#options.client, this.#options.config.stream, signal);
    } catch (error) {
      if (error instanceof SluiceError && error.code === STREAM_MISSING) throw consumerGone(this.name.durable);
      throw error;
    }
  }

  /** Asks for nothing more. What was handed out can still be acknowledged until `release`. */
  stop(signal: AbortSignal): Promise<void> {
    return this.#options.client.run('read', signal, () => this.#pulls.stop());
  }

  /** Gives back what is not acknowledged, in order, and lets the next worker begin. After `stop`. */
  async release(signal: AbortSignal): Promise<void> {
    if (!this.#isOwner()) return;
    const { client, config } = this.#options;
    await this.confirm(signal);
    this.#stopped = true;
    this.#inFlight.giveBack(this.#order.waiting());
    await client.run('read', signal, () => client.connection.flush());
    if (!this.#pulls.isPinned) return;
    await client.run('read', signal, () => client.manager.consumers.unpin(config.stream, this.name.durable, PIN_GROUP));
  }

  /** False once somebody else may be pinned. From then on nothing is said about messages. */
  #isOwner(): boolean {
    if (!this.#stopped && this.#pulls.isOver) this.#fail(pinDoubtful(this.name.durable));
    return !this.#stopped;
  }

  #fail(error: unknown): void {
    // Somebody else reads on: what this worker has is not its own any more.
    this.#stopped ||= error instanceof SluiceError && error.code === PIN_LOST;
    this.#options.onFailure(error);
  }

  #receive(message: Msg): void {
    const delivered = deliveredMessage(message);
    if (delivered === undefined || this.#stopped) return;
    const { sequence, bytes, pending } = delivered;
    const { jumps } = this.#order;
    const arrival = this.#order.add(delivered);
    if (this.#begun && this.#order.jumps !== jumps) this.#warnOfJump();
    // Without a word it would come again and again.
    if (arrival === 'past') this.#inFlight.repeat(delivered);
    if (arrival !== 'new') return;
    this.#bytes += bytes;
    this.#pending = pending;
    if (this.isSettled) this.#expect(sequence);
    this.#options.onNews();
  }

  /** This message is the next one. */
  #expect(sequence: number): void {
    if (sequence < this.#expected) return;
    this.#gaps.note(this.#expected, sequence);
    this.#expected = sequence + 1;
  }

  #warnOfJump(): void {
    const { logger, config } = this.#options;
    const facts = { consumer: this.name.durable, ackWait: config.ackWait };
    logger.warn(facts, 'messages were lost on their way: what is behind them waits until they come again');
  }

  #pinned(): void {
    this.#standby = false;
    this.#options.onNews();
  }

  /**
   * What the last owner had comes again one after the other, and newer messages fill the requests meanwhile: so it is
   * asked only now and then for as many as are missing, or all that is new would have to be held here.
   */
  #room(): Room {
    const { ackWait, readAheadMessages, readAheadBytes } = this.#options.config;
    if (this.isSettled) {
      return { messages: readAheadMessages - this.#order.size, bytes: readAheadBytes - this.#bytes, whole: false };
    }
    const nowMs = performance.now();
    const messages = nowMs < this.#patientUntilMs ? 0 : this.#missing;
    if (messages > 0) this.#patientUntilMs = nowMs + ackWait / 4;
    return { messages, bytes: undefined, whole: true };
  }

  /** Before it is pinned: how far somebody else is, or what waits for the first owner. */
  #watch(info: ConsumerInfo): void {
    this.#standby = !this.#pulls.isPinned && ownerOf(info) !== '';
    this.#pending = info.num_pending + info.num_ack_pending;
    this.#floor = info.ack_floor.stream_seq;
  }

  #settle(info: ConsumerInfo, jumps: number): void {
    const floor = info.ack_floor.stream_seq;
    const state = { floor, delivered: info.delivered.stream_seq, ackPending: info.num_ack_pending };
    const settlement = this.#order.settle({ ...state, jumps, inFlight: this.#inFlight.sequences });
    if (settlement.outcome === 'crowded') throw otherOwner(this.name.durable);
    this.#missing = settlement.outcome === 'waiting' ? settlement.missing : 0;
    if (settlement.outcome === 'waiting') return this.#pulls.ask();
    this.#bytes = this.#order.waiting().reduce((sum, { bytes }) => sum + bytes, 0);
    if (this.#begun) for (const { sequence } of this.#order.waiting()) this.#expect(sequence);
    else this.#begin(floor);
    this.#pulls.ask();
  }

  /** Everything is there that the last owner had. What is missing in the middle of that was acknowledged by it. */
  #begin(floor: number): void {
    const { first, last } = this.#order;
    this.#floor = floor;
    if (first !== undefined) this.#gaps.note(floor + 1, first.sequence);
    this.#expected = last + 1;
    this.#begun = true;
    this.#takenOver = true;
  }

  /** At the end, what comes behind the last message is not for this consumer. */
  #compare(info: ConsumerInfo, { state }: StreamInfo): void {
    // A message may still be on its way.
    if (info.num_pending > 0 || info.delivered.stream_seq > this.#order.last || this.#order.size > 0) return;
    this.#pending = 0;
    if (this.#inFlight.isEmpty) this.#floor = Math.max(this.#floor, state.last_seq);
  }
}

/** Pin of the client that reads the consumer now; empty when nobody does. The library's type does not have it. */
function ownerOf(info: ConsumerInfo): string {
  const { priority_groups: groups = [] } = info as { priority_groups?: { pinned_client_id?: string }[] };
  return groups[0]?.pinned_client_id ?? '';
}
