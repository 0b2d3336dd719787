import type { DeadLetter } from '../../core/dead-letter.ts';
import { FakeClock } from '../fake-clock.ts';
import { type MemoryRecord, memorySink } from '../memory-sink.ts';
import { checkpointPlace, memoryCheckpointStore, memoryDeadLetters, memoryLeaseStore } from '../memory-stores.ts';
import { checkpointStoreContract } from './checkpoint-store.ts';
import { deadLetterStoreContract } from './dead-letter-store.ts';
import { leaseStoreContract } from './lease-store.ts';
import { sinkContract } from './sink.ts';

checkpointStoreContract('memory', async () => {
  const place = checkpointPlace();
  return { open: async () => memoryCheckpointStore(place) };
});

deadLetterStoreContract('memory', async () => {
  const place = new Map<string, DeadLetter>();
  return { open: async () => memoryDeadLetters(place) };
});

leaseStoreContract('memory', async () => {
  const clock = new FakeClock();
  const place = { clock, leases: new Map() };
  return { open: async () => memoryLeaseStore(place), elapse: (ms) => clock.advance(ms) };
});

sinkContract('memory', async () => {
  const place: MemoryRecord[] = [];
  const text = (bytes: Buffer | null) => bytes?.toString() ?? null;
  return {
    open: async (format) => memorySink(place, format),
    found: async () => place.map(({ record }) => ({ key: text(record.key), value: text(record.value) })),
  };
});
