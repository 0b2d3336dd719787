import { SluiceError } from '../../core/failure.ts';

/** Code of the error when somebody else reads on. */
export const PIN_LOST = 'nats.pin-lost';

/** Sequences of messages that are missing, with both ends. */
export interface Gap {
  readonly from: number;
  readonly to: number;
}

/** The consumer was deleted while it was read. */
export function consumerGone(durable: string): SluiceError {
  return new SluiceError(`the consumer "${durable}" was deleted while it was read`, {
    kind: 'position-lost',
    code: 'nats.consumer-gone',
    hint: 'A consumer that is created anew begins where `startAt` says: check that before the pipeline is started again.',
  });
}

/** Another worker was pinned instead of this one. */
export function pinLost(durable: string): SluiceError {
  return new SluiceError(`the consumer "${durable}" is not pinned to this worker any more`, {
    kind: 'transient',
    code: PIN_LOST,
    hint: 'Another worker reads on. Where this comes often, raise `pinTimeout`.',
  });
}

/** The server has not said for too long that this worker is pinned: another one may be. */
export function pinDoubtful(durable: string): SluiceError {
  return new SluiceError(
    `the server has not confirmed lately that the consumer "${durable}" is pinned to this worker`,
    {
      kind: 'transient',
      code: PIN_LOST,
      hint: 'The process was stopped, too busy or cut off. Where this comes often, raise `pinTimeout`.',
    },
  );
}

/** Without a pin several workers would read at the same time. */
export function notPinned(durable: string): SluiceError {
  return new SluiceError(`the consumer "${durable}" delivers without a pin`, {
    kind: 'config',
    code: 'nats.not-pinned',
    hint: 'Its priority policy must be `pinned_client` (nats-server 2.11 or newer on all servers of the cluster).',
  });
}

/** The server does not understand what it is asked for. */
export function pullRefused(durable: string, words: string): SluiceError {
  return new SluiceError(`the consumer "${durable}" refuses requests (${words})`, {
    kind: 'config',
    code: 'nats.pull-refused',
    hint: 'Check the settings of the consumer with nats consumer info.',
  });
}

/** Messages are acknowledged that this worker has. */
export function otherOwner(durable: string): SluiceError {
  return new SluiceError(`somebody else acknowledges messages of the consumer "${durable}"`, {
    kind: 'transient',
    code: 'nats.other-owner',
    hint: 'Only Sluice may use this consumer.',
  });
}

/** A limit of the stream removed messages that nobody had read. */
export function positionLost(durable: string, { from, to }: Gap): SluiceError {
  return new SluiceError(`messages ${from} to ${to} were removed from the stream before "${durable}" had read them`, {
    kind: 'position-lost',
    code: 'nats.position-lost',
    hint: 'Set `onPositionLost: skip` to go on with the first message there is. Then raise the limits of the stream.',
  });
}
