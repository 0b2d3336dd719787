import { SluiceError } from '../../core/failure.ts';

/** What is in flight belongs to other workers, or may. */
export function membershipLost(
  what = 'the group has taken this worker out while messages were in flight',
): SluiceError {
  return new SluiceError(what, {
    kind: 'transient',
    code: 'kafka.membership-lost',
    hint: 'What was in flight is read again, by the next owners of the partitions. If this happens again, raise `rebalanceTimeout`, or the session time-out of the group.',
  });
}
