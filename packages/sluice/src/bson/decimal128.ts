/** An IEEE 754-2008 decimal128 as MongoDB stores it (binary integer significand). */
export interface Decimal128Value {
  readonly kind: 'finite' | 'infinity' | 'nan';
  readonly negative: boolean;
  /** At most 34 digits. */
  readonly coefficient: bigint;
  readonly exponent: number;
}

const EXPONENT_BIAS = 6176;
const MAX_COEFFICIENT = 10n ** 34n - 1n;

/** Decodes the 16 little-endian bytes at `at`. */
export function decodeDecimal128(bytes: Buffer, at: number): Decimal128Value {
  const low = bytes.readBigUInt64LE(at);
  const high = bytes.readBigUInt64LE(at + 8);
  const negative = high >> 63n === 1n;
  const combination = Number((high >> 58n) & 0x1fn);
  if (combination === 0x1f) return { kind: 'nan', negative: false, coefficient: 0n, exponent: 0 };
  if (combination === 0x1e) return { kind: 'infinity', negative, coefficient: 0n, exponent: 0 };
  // With both leading bits set the significand would be above 34 digits: by the standard it counts as zero.
  const large = combination >> 3 === 3;
  const biased = Number((high >> (large ? 47n : 49n)) & 0x3fffn);
  const coefficient = large ? 0n : ((high & 0x1_ffff_ffff_ffffn) << 64n) | low;
  return {
    kind: 'finite',
    negative,
    coefficient: coefficient > MAX_COEFFICIENT ? 0n : coefficient,
    exponent: biased - EXPONENT_BIAS,
  };
}

/** The text form of the decimal128 specification of BSON: every digit, scientific when the exponent asks for it. */
export function formatDecimal128(value: Decimal128Value): string {
  if (value.kind === 'nan') return 'NaN';
  const sign = value.negative ? '-' : '';
  if (value.kind === 'infinity') return `${sign}Infinity`;
  const digits = value.coefficient.toString();
  const { exponent } = value;
  const scientific = digits.length - 1 + exponent;
  if (exponent > 0 || scientific < -6) {
    const fraction = digits.length > 1 ? `.${digits.slice(1)}` : '';
    return `${sign}${digits.charAt(0)}${fraction}E${scientific < 0 ? '' : '+'}${scientific}`;
  }
  if (exponent === 0) return sign + digits;
  const point = digits.length + exponent;
  if (point > 0) return `${sign}${digits.slice(0, point)}.${digits.slice(point)}`;
  return `${sign}0.${'0'.repeat(-point)}${digits}`;
}
