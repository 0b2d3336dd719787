import { setTimeout as delay } from 'node:timers/promises';
import { failureOf, JetStreamCode } from './classify.ts';
import type { Acknowledgement, NatsClient } from './client.ts';
import { errorFacts } from './error-facts.ts';
import { headerBlock, headerLine, NatsHeader } from './message-headers.ts';
import { fenceLines, type Ownership } from './ownership.ts';
import type { OutgoingMessage, Publisher } from './publisher.ts';

/** JetStream's code for a last message id that is not the expected one. */
const WRONG_LAST_ID = 10070;
const BUSY_PAUSE_MS = 5;

type Outcome = { readonly ack: Acknowledgement } | { readonly error: unknown };

/**
 * Publishes one message at a time as the server sees it, with up to a window of them on their way. Each expects the id
 * of the one before it to be the last in the stream: when one is not stored, none behind it is. Then the window is
 * closed and everything from the first message without an acknowledgement on is published again, so that nothing is
 * reordered. The first message of a chain goes alone and under the fence of the owner; a new owner's record breaks the
 * chain. (The fence on every message would not do: with replicas, JetStream refuses a second message with the same
 * expectation while the first is being replicated, error 10164. Nor would expected sequences: a message of somebody
 * else may take just the place of ours, and the next one of ours would fit behind it.)
 */
export class ChainedPublisher implements Publisher {
  readonly #client: NatsClient;
  readonly #window: number;

  constructor(client: NatsClient, window: number) {
    this.#client = client;
    this.#window = window;
  }

  async publish(messages: readonly OutgoingMessage[], owner: Ownership, signal: AbortSignal): Promise<void> {
    for (let next = 0; next < messages.length; ) {
      const head = messages[next] as OutgoingMessage;
      const { duplicate } = await this.#alone(head, owner, signal);
      next += 1;
      // What was there already is not the last message of the stream: nothing can be chained to it.
      if (!duplicate && head.messageId !== undefined) next = await this.#chain(messages, next, signal);
    }
  }

  async #alone(message: OutgoingMessage, owner: Ownership, signal: AbortSignal): Promise<Acknowledgement> {
    const { subject, payload, lines } = message;
    const wire = { subject, payload, headers: headerBlock(lines, fenceLines(owner)) };
    for (const end = performance.now() + this.#client.requestTimeoutMs; ; ) {
      try {
        return await this.#client.run('publish', signal, () => this.#client.publish(wire));
      } catch (error) {
        const busy = errorFacts(error).jetStream?.code === JetStreamCode.expectationInUse;
        if (!busy || performance.now() > end) throw error;
        await delay(BUSY_PAUSE_MS, undefined, { signal });
      }
    }
  }

  /** Publishes behind `messages[first - 1]`, which is the last in the stream. Returns the first that is not stored. */
  async #chain(messages: readonly OutgoingMessage[], first: number, signal: AbortSignal): Promise<number> {
    const inFlight: Promise<Outcome>[] = [];
    let sent = first;
    for (let done = first; done < messages.length; done++) {
      while (sent < messages.length && inFlight.length < this.#window && messages[sent - 1]?.messageId !== undefined) {
        inFlight.push(this.#behind(messages[sent] as OutgoingMessage, messages[sent - 1]?.messageId as string));
        sent += 1;
      }
      const oldest = inFlight.shift();
      if (oldest === undefined) return done;
      const outcome = await this.#client.run('publish', signal, () => oldest);
      if ('ack' in outcome && !outcome.ack.duplicate) continue;
      // Nothing behind it was stored; wait until the server has said so for all that are on their way.
      await this.#client.run('publish', signal, () => Promise.all(inFlight));
      if ('ack' in outcome) return done + 1;
      if (errorFacts(outcome.error).jetStream?.code === WRONG_LAST_ID) return done;
      throw failureOf(outcome.error, 'publish', signal);
    }
    return messages.length;
  }

  #behind({ subject, payload, lines }: OutgoingMessage, lastId: string): Promise<Outcome> {
    const headers = headerBlock(lines, headerLine(NatsHeader.expectedMessageId, lastId));
    return this.#client.publish({ subject, payload, headers }).then(
      (ack) => ({ ack }),
      (error: unknown) => ({ error }),
    );
  }
}
