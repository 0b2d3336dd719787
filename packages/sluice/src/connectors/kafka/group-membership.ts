import { randomUUID } from 'node:crypto';
import type { Logger } from '../../core/logger.ts';
import type { TopicPartitions } from './assignment.ts';
import type { BrokerLink } from './broker-link.ts';
import { errorFacts } from './error-facts.ts';
import type { GroupCoordinator } from './group-coordinator.ts';
import { MembershipAge, type Moment, momentNow } from './membership-age.ts';
import { Nudge } from './nudge.ts';
import { Patience } from './patience.ts';
import { GROUP_HEARTBEAT } from './protocol.ts';

/** What a membership works with. */
export interface MembershipOptions {
  readonly coordinator: GroupCoordinator;
  readonly instanceId: string | null;
  readonly rebalanceTimeoutMs: number;
  /** How long heartbeats may fail before that is an error. */
  readonly patienceMs: number;
  readonly logger: Logger;
  /** Topics to read now; while there are none, the group is not joined. */
  readonly subscription: () => readonly string[];
  /** What this member reads or still has in flight. */
  readonly owned: () => readonly TopicPartitions[];
  /** Called with the whole assignment, whenever the coordinator states it, and when that was asked for. */
  readonly onAssigned: (assignment: readonly TopicPartitions[], asked: Moment) => void;
  /** Called when it is certain again that this worker is a member. */
  readonly onCertain: () => void;
  /** The group has given everything to others: nothing may be committed any more. */
  readonly onLost: () => void;
}

/** Who a request to the coordinator comes from. */
export interface MemberIdentity {
  readonly memberId: string;
  readonly memberEpoch: number;
}

const JOINING = 0;
const LEAVING = -1;
/** Leaves with the intention to come back: the coordinator keeps the partitions for the session time-out. */
const LEAVING_FOR_NOW = -2;
const NO_SUBSCRIPTION_PAUSE_MS = 1000;
const RETRY_PAUSE_MS = 200;
const LOST = ['FENCED_MEMBER_EPOCH', 'UNKNOWN_MEMBER_ID'];

/** True when the error says that the group no longer has this member. */
export function saysMembershipLost(error: unknown): boolean {
  return errorFacts(error).protocolErrors.some((name) => LOST.includes(name));
}

/**
 * The membership in a consumer group (KIP-848): heartbeats at the pace the coordinator asks for, independent of how fast
 * anything is read or written. Each one states everything, so each answer does too, and a lost answer changes nothing.
 */
export class GroupMembership {
  readonly #options: MembershipOptions;
  readonly #memberId = randomUUID();
  readonly #nudge = new Nudge();
  readonly #age = new MembershipAge();
  #epoch = JOINING;

  constructor(options: MembershipOptions) {
    this.#options = options;
  }

  get identity(): MemberIdentity {
    return { memberId: this.#memberId, memberEpoch: this.#epoch };
  }

  get isMember(): boolean {
    return this.#epoch > JOINING;
  }

  /**
   * False when the group may have given everything to others already: no heartbeat was answered for a while, because
   * the coordinator is out of reach or this process stood still.
   */
  get isCertain(): boolean {
    return this.#age.isCertain;
  }

  /** Sends the next heartbeat at once: something has changed here, or somebody else heard that something has there. */
  poke(): void {
    this.#nudge.give();
  }

  /** Sends heartbeats until the signal aborts. Throws when they fail for too long, or with what cannot be retried. */
  async run(signal: AbortSignal): Promise<void> {
    const patience = new Patience(this.#options.patienceMs);
    while (!signal.aborted) {
      const pauseMs = await this.#next(patience, signal);
      await this.#nudge.wait(pauseMs, signal);
    }
  }

  /** One heartbeat. Returns when the next one is due, in ms. */
  async #next(patience: Patience, signal: AbortSignal): Promise<number> {
    if (this.#options.subscription().length === 0) return NO_SUBSCRIPTION_PAUSE_MS;
    try {
      const { coordinator, onAssigned } = this.#options;
      let sent = momentNow();
      const answer = await coordinator.ask(signal, (link) => {
        sent = momentNow();
        return this.#send(link, this.#epoch);
      });
      patience.restored();
      if (!this.isMember) this.#options.logger.info({ group: coordinator.group }, 'joined the consumer group');
      this.#epoch = answer.memberEpoch;
      this.#confirmed(sent, answer.heartbeatIntervalMs);
      if (answer.assignment !== null) onAssigned(answer.assignment.topicPartitions, sent);
      return answer.heartbeatIntervalMs;
    } catch (error) {
      signal.throwIfAborted();
      if (saysMembershipLost(error)) this.#lost();
      else patience.lose(error);
      return RETRY_PAUSE_MS;
    }
  }

  #confirmed(sent: Moment, intervalMs: number): void {
    const wasCertain = this.isCertain;
    this.#age.confirmed(sent, intervalMs);
    if (!wasCertain && this.isCertain) this.#options.onCertain();
  }

  #lost(): void {
    this.#options.logger.warn({ group: this.#options.coordinator.group }, 'the group has taken this member out');
    this.#epoch = JOINING;
    this.#age.forget();
    this.#options.onLost();
  }

  #send(link: BrokerLink, epoch: number) {
    const { coordinator, instanceId, rebalanceTimeoutMs, subscription, owned } = this.#options;
    const partitions = epoch === JOINING ? [] : owned().map((each) => ({ ...each, partitions: [...each.partitions] }));
    return link
      .api(GROUP_HEARTBEAT, '4.0')
      .async(
        link.connection,
        coordinator.group,
        this.#memberId,
        epoch,
        instanceId,
        null,
        rebalanceTimeoutMs,
        [...subscription()],
        null,
        null,
        partitions,
      );
  }

  /** Gives up the membership, so that others need not wait for the session to end. Call it when `run` has ended. */
  async leave(signal: AbortSignal): Promise<void> {
    if (!this.isMember) return;
    const epoch = this.#options.instanceId === null ? LEAVING : LEAVING_FOR_NOW;
    this.#age.forget();
    await this.#options.coordinator.ask(signal, (link) => this.#send(link, epoch));
    this.#epoch = JOINING;
  }
}
