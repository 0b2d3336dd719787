import { randomBytes } from 'node:crypto';
import { JetStreamCode } from './classify.ts';
import type { NatsClient } from './client.ts';
import { errorFacts } from './error-facts.ts';
import { headerBlock, headerLine, NatsHeader } from './message-headers.ts';
import { fenceLines, type Ownership } from './ownership.ts';
import type { OutgoingMessage, Publisher } from './publisher.ts';

/** JetStream's limit for one batch; a server may be set to less. */
const MOST_MESSAGES = 1000;

/** A batch that JetStream did not store may be stored message by message, which also tells what is wrong with it. */
const GOES_SINGLY: readonly (number | undefined)[] = [
  JetStreamCode.batchIncomplete,
  JetStreamCode.batchTooLarge,
  JetStreamCode.batchHasDuplicate,
];

/**
 * Publishes atomic batches (nats-server 2.12.1 and newer): all of a batch becomes visible or nothing. The first message
 * carries the fence of the owner, which holds for the whole batch; only the last one is acknowledged. The next batch is
 * sent when this one is stored, so nothing can overtake.
 */
export class AtomicPublisher implements Publisher {
  readonly #client: NatsClient;
  readonly #singly: Publisher;
  readonly #idStart = randomBytes(12).toString('base64url');
  #batches = 0;

  /** `singly` takes the batches that cannot be stored as one, e.g. because they hold an id the server knows already. */
  constructor(client: NatsClient, singly: Publisher) {
    this.#client = client;
    this.#singly = singly;
  }

  async publish(messages: readonly OutgoingMessage[], owner: Ownership, signal: AbortSignal): Promise<void> {
    for (let start = 0; start < messages.length; start += MOST_MESSAGES) {
      const batch = messages.slice(start, start + MOST_MESSAGES);
      try {
        await this.#client.run('publish', signal, () => this.#send(batch, owner));
      } catch (error) {
        if (!GOES_SINGLY.includes(errorFacts(error).jetStream?.code)) throw error;
        await this.#singly.publish(batch, owner, signal);
      }
    }
  }

  async #send(batch: readonly OutgoingMessage[], owner: Ownership): Promise<void> {
    this.#batches += 1;
    const id = headerLine(NatsHeader.batchId, `${this.#idStart}${this.#batches}`);
    for (const [index, { subject, payload, lines }] of batch.entries()) {
      const place = `${id}${NatsHeader.batchSequence}: ${index + 1}\r\n`;
      const fence = index === 0 ? fenceLines(owner) : '';
      const commit = index === batch.length - 1 ? headerLine(NatsHeader.batchCommit, 1) : '';
      const message = { subject, payload, headers: headerBlock(lines, fence, place, commit) };
      if (commit === '') this.#client.send(message);
      else await this.#client.publish(message);
    }
  }
}
