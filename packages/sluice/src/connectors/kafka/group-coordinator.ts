import { SluiceError } from '../../core/failure.ts';
import type { BrokerLink } from './broker-link.ts';
import type { KafkaClient } from './client.ts';
import { errorFacts } from './error-facts.ts';
import { FIND_COORDINATOR, GROUP_COORDINATOR } from './protocol.ts';

/** After these the coordinator has to be looked for again. */
const MOVED = ['NOT_COORDINATOR', 'COORDINATOR_NOT_AVAILABLE'];

/**
 * The broker that coordinates a group. Requests go one after the other: each carries the member's epoch, and an answer
 * may change it. The client must not be used for fetching, because a broker works on one request of a connection at a
 * time, and a fetch may wait there.
 */
export class GroupCoordinator {
  readonly group: string;
  readonly #client: KafkaClient;
  #nodeId: number | undefined;
  #last: Promise<unknown> = Promise.resolve();

  constructor(client: KafkaClient, group: string) {
    this.#client = client;
    this.group = group;
  }

  /**
   * Sends a request when all earlier ones are answered; `request` is called when it is its turn. Nothing is tried again
   * here, so that nobody waits behind a request that gets no answer. Throws classified errors (phase `group`).
   */
  ask<T>(signal: AbortSignal, request: (link: BrokerLink) => Promise<T>): Promise<T> {
    const answer = this.#last.then(() => this.#ask(signal, request));
    this.#last = answer.catch(() => {});
    return answer;
  }

  async #ask<T>(signal: AbortSignal, request: (link: BrokerLink) => Promise<T>): Promise<T> {
    try {
      const link = await this.#client.run('group', signal, () => this.#connect());
      return await this.#client.run('group', signal, () => request(link));
    } catch (error) {
      const { network, timeout, protocolErrors } = errorFacts(error);
      if (network || timeout || protocolErrors.some((name) => MOVED.includes(name))) this.#nodeId = undefined;
      throw error;
    }
  }

  async #connect(): Promise<BrokerLink> {
    this.#nodeId ??= await this.#find();
    return this.#client.connectTo(this.#nodeId);
  }

  async #find(): Promise<number> {
    const link = await this.#client.connectToAny();
    const response = await link.api(FIND_COORDINATOR).async(link.connection, GROUP_COORDINATOR, [this.group]);
    const [found] = response.coordinators;
    if (found !== undefined) return found.nodeId;
    throw new SluiceError('the brokers named no coordinator of the group', {
      kind: 'transient',
      code: 'kafka.not-available',
    });
  }
}
