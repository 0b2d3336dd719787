import type { DeadLetter } from '../../core/dead-letter.ts';
import { type MemoryRecord, memorySink } from '../memory-sink.ts';
import { checkpointPlace, memoryCheckpointStore, memoryDeadLetters } from '../memory-stores.ts';
import { checkpointStoreContract } from './checkpoint-store.ts';
import { deadLetterStoreContract } from './dead-letter-store.ts';
import { sinkContract } from './sink.ts';

checkpointStoreContract('memory', async () => {
  const place = checkpointPlace();
  return { open: async () => memoryCheckpointStore(place) };
});

deadLetterStoreContract('memory', async () => {
  const place = new Map<string, DeadLetter>();
  return { open: async () => memoryDeadLetters(place) };
});

sinkContract('memory', async () => {
  const place: MemoryRecord[] = [];
  const text = (bytes: Buffer | null) => bytes?.toString() ?? null;
  return {
    open: async (format) => memorySink(place, format),
    found: async () => place.map(({ record }) => ({ key: text(record.key), value: text(record.value) })),
  };
});
