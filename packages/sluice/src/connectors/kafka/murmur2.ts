/** Constants of MurmurHash2 (32 bit) and the seed that Kafka's Java client uses. */
const MIX = 0x5bd1e995;
const SHIFT = 24;
const SEED = 0x9747b28c;

/** MurmurHash2 of the bytes as a signed 32-bit number: the hash behind the Java client's partitioner. */
export function murmur2(data: Uint8Array): number {
  const length = data.length;
  let hash = SEED ^ length;
  let at = 0;
  for (; length - at >= 4; at += 4) {
    let word =
      (data[at] as number) |
      ((data[at + 1] as number) << 8) |
      ((data[at + 2] as number) << 16) |
      ((data[at + 3] as number) << 24);
    word = Math.imul(word, MIX);
    word ^= word >>> SHIFT;
    hash = Math.imul(hash, MIX) ^ Math.imul(word, MIX);
  }
  const rest = length - at;
  if (rest === 3) hash ^= (data[at + 2] as number) << 16;
  if (rest >= 2) hash ^= (data[at + 1] as number) << 8;
  if (rest >= 1) hash = Math.imul(hash ^ (data[at] as number), MIX);
  hash = Math.imul(hash ^ (hash >>> 13), MIX);
  return hash ^ (hash >>> 15);
}

/**
 * The partition the Java client would choose for the key, so that existing consumers and producers agree with us.
 * A record without a key (DDL) goes to partition 0: such records then stay in order among themselves.
 */
export function partitionOf(key: Uint8Array | null, partitions: number): number {
  if (key === null) return 0;
  return (murmur2(key) & 0x7fffffff) % partitions;
}
