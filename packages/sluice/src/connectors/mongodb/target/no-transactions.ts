import { SluiceError } from '../../../core/failure.ts';

/** The target is a single server, which has no transactions. */
export function noTransactions(): SluiceError {
  return new SluiceError('the target is not a replica set, so it has no transactions', {
    kind: 'config',
    code: 'mongodb.no-transactions',
    hint:
      'Make it a replica set of one member (mongod --replSet rs0, then rs.initiate()), or use neither ' +
      '`delivery: exactly-once` nor `guard: version`.',
  });
}
