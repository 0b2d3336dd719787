import {
  array,
  binary,
  boolean,
  code,
  codeWithScope,
  date,
  dbPointer,
  decimalOf,
  document,
  double,
  embedded,
  type Field,
  int32,
  int64,
  maxKey,
  minKey,
  nothing,
  objectId,
  oldBinary,
  regex,
  string,
  symbol,
  timestamp,
  undef,
  type Value,
} from './bson-bytes.ts';

/** Where the numbers come from; `seededRandom` of the test tools fits. */
export interface RandomSource {
  /** A whole number from 0 to `below - 1`. */
  int(below: number): number;
  pick<T>(items: readonly T[]): T;
}

/** Random bytes. Only for tests, like everything here. */
export function randomBytes(random: RandomSource, length: number): Buffer {
  return Buffer.from(Array.from({ length }, () => random.int(256)));
}

/** What a generated document may hold. */
export interface RandomOptions {
  /** Only values that the `bson` library reads and writes back without changing their type or order. */
  readonly libraryTypes: boolean;
}

/** A random valid BSON document. */
export function randomDocument(random: RandomSource, options: RandomOptions, depth = 0): Buffer {
  const count = random.int(depth === 0 ? 12 : 5);
  const used = new Set<string>();
  const fields: Field[] = [];
  for (let i = 0; i < count; i++) {
    const name = randomName(random, options);
    if (options.libraryTypes && used.has(name)) continue;
    used.add(name);
    fields.push([name, randomValue(random, options, depth + 1)]);
  }
  return document(...fields);
}

function randomName(random: RandomSource, options: RandomOptions): string {
  const name = random.pick([
    'a',
    'b',
    'name',
    'x y',
    'ключ',
    '"q"',
    'back\\slash',
    'tab\t',
    'a.b',
    '€',
    '😀',
    'K',
    'constructor',
  ]);
  if (options.libraryTypes) return name + (random.int(2) === 0 ? '' : random.int(9) + 'n');
  return random.pick([name, '', '__proto__', '$set', '7', 'toString', name]);
}

function randomText(random: RandomSource): string {
  const alphabet = [
    'a',
    'Z',
    '0',
    ' ',
    '"',
    '\\',
    '\n',
    '\u0001',
    '\u001f',
    '\u007f',
    '/',
    'é',
    'я',
    '漢',
    '\u2028',
    '😀',
    '\u{10ffff}',
    '\0',
  ];
  const length = random.pick([0, 1, 3, 10, 40, 300]);
  return Array.from({ length }, () => random.pick(alphabet)).join('');
}

function randomDouble(random: RandomSource): number {
  const bits = randomBytes(random, 8).readDoubleLE();
  // Not-a-numbers with other bits than the usual are not told apart in JSON.
  const any = Number.isNaN(bits) ? 1.25 : bits;
  const special = [
    0,
    -0,
    1,
    -1,
    1.5,
    0.1,
    1e21,
    1e-7,
    2 ** 53,
    5e-324,
    Number.MAX_VALUE,
    Number.NaN,
    Infinity,
    -Infinity,
  ];
  return random.pick([...special, any]);
}

function randomValue(random: RandomSource, options: RandomOptions, depth: number): Value {
  const nested = depth < 5;
  const makers: (() => Value)[] = [
    () => double(randomDouble(random)),
    () => string(randomText(random)),
    () => binary(random.pick([0, 1, 3, 5, 6, 7, 8, 128, 255]), randomBytes(random, random.pick([0, 1, 5, 16, 100]))),
    () => binary(4, randomBytes(random, 16)),
    () => oldBinary(randomBytes(random, random.int(9))),
    () => objectId(randomBytes(random, 12).toString('hex')),
    () => boolean(random.int(2) === 1),
    () =>
      date(
        BigInt(
          random.pick([
            0, 1, -1, 1_700_000_000_123, 1_700_000_000_000, 253_402_300_799_999, 253_402_300_800_000,
            -62_135_596_800_000,
          ]),
        ),
      ),
    () => nothing,
    () => code(randomText(random).replaceAll('\0', '')),
    () => symbol(randomText(random)),
    () => int32(random.pick([0, 1, -1, 9, 10, 99, 100, 2147483647, -2147483648, random.int(2 ** 31)])),
    () => timestamp(random.int(2 ** 32), random.int(2 ** 32)),
    () =>
      int64(random.pick([0n, 1n, -1n, 2n ** 53n + 1n, -(2n ** 53n) - 1n, 2n ** 63n - 1n, -(2n ** 63n), 4294967296n])),
    () =>
      decimalOf(
        BigInt(`0x${randomBytes(random, 14).toString('hex')}`) % 10n ** 34n,
        random.int(12_287) - 6176,
        random.int(2) === 1,
      ),
    () => decimalOf(BigInt(random.int(1000)), random.int(10) - 6),
    () => minKey,
    () => maxKey,
    () => regex(randomText(random).replaceAll('\0', ''), random.pick(['', 'i', 'imx'])),
  ];
  if (nested) {
    makers.push(
      () => embedded(...fieldsOf(random, options, depth)),
      () => array(...Array.from({ length: random.int(4) }, () => randomValue(random, options, depth + 1))),
      () => codeWithScope(randomText(random), randomDocument(random, options, depth + 1)),
    );
  }
  if (!options.libraryTypes) {
    makers.push(
      () => undef,
      () => dbPointer('db.coll', randomBytes(random, 12).toString('hex')),
      () => date(BigInt.asIntN(64, BigInt(`0x${randomBytes(random, 8).toString('hex')}`))),
      () => binary(random.pick([2, 4, 9]), randomBytes(random, random.int(17))),
      () => regex('(?i)a(', 'zxq'),
    );
  }
  return random.pick(makers)();
}

function fieldsOf(random: RandomSource, options: RandomOptions, depth: number): Field[] {
  const fields = new Map<string, Value>();
  for (let i = random.int(4); i > 0; i--)
    fields.set(randomName(random, options), randomValue(random, options, depth + 1));
  return [...fields];
}

/** A copy of `bytes` with some of them changed, cut off or added: what a broken client or network could produce. */
export function corrupt(random: RandomSource, bytes: Buffer): Buffer {
  const copy = Buffer.from(bytes);
  switch (random.int(4)) {
    case 0:
      return copy.subarray(0, random.int(copy.length));
    case 1:
      copy.writeInt32LE(
        random.pick([0, -1, 4, 5, copy.length + 1, 2 ** 31 - 1]),
        Math.max(0, random.int(copy.length) - 3),
      );
      return copy;
    case 2:
      return Buffer.concat([copy, randomBytes(random, random.int(8))]);
    default:
      for (let i = 1 + random.int(3); i > 0; i--) copy[random.int(copy.length)] = random.int(256);
      return copy;
  }
}
