const NUMBER = /^([+-]?)(\d*)(?:\.(\d*))?(?:[eE]([+-]?\d{1,10}))?$/;
const INFINITE = /^([+-]?)inf(?:inity)?$/i;
const NOT_A_NUMBER = /^[+-]?nan$/i;
const LEADING_ZEROS = /^0+(?=\d)/;
const TRAILING_ZEROS = /0+$/;
const MAX_DIGITS = 34;
const MIN_EXPONENT = -6176;
const MAX_EXPONENT = 6111;
const EXPONENT_BIAS = 6176n;
const HIGH_INFINITY = 0x78n << 56n;
const HIGH_NAN = 0x7cn << 56n;
const SIGN = 1n << 63n;
/** Longer texts are no numbers that fit. */
const MAX_CHARACTERS = 7000;

/**
 * The 16 little-endian bytes of a decimal128 from its text (`1.10`, `-0E+3`, `NaN`, `Infinity`), with every digit and the
 * exponent as written. Undefined for text that is no number, and where digits would be lost.
 */
export function parseDecimal128(text: string): Buffer | undefined {
  if (text.length > MAX_CHARACTERS) return undefined;
  const infinite = INFINITE.exec(text);
  if (infinite !== null) return bytesOf(0n, HIGH_INFINITY, infinite[1] === '-');
  if (NOT_A_NUMBER.test(text)) return bytesOf(0n, HIGH_NAN, false);
  const match = NUMBER.exec(text);
  if (match === null) return undefined;
  const [, sign, integer = '', fraction = '', exponent = '0'] = match;
  if (integer + fraction === '') return undefined;
  const fitted = fit((integer + fraction).replace(LEADING_ZEROS, ''), Number(exponent) - fraction.length);
  if (fitted === undefined) return undefined;
  const coefficient = BigInt(fitted.digits);
  const high = ((BigInt(fitted.exponent) + EXPONENT_BIAS) << 49n) | (coefficient >> 64n);
  return bytesOf(coefficient & 0xffff_ffff_ffff_ffffn, high, sign === '-');
}

/** The digits and exponent within the limits of the type, if that is possible without rounding. */
function fit(written: string, writtenExponent: number): { digits: string; exponent: number } | undefined {
  if (written === '0')
    return { digits: '0', exponent: Math.min(Math.max(writtenExponent, MIN_EXPONENT), MAX_EXPONENT) };
  let digits = written;
  let exponent = writtenExponent;
  const excess = Math.max(digits.length - MAX_DIGITS, MIN_EXPONENT - exponent);
  if (excess > 0) {
    const zeros = TRAILING_ZEROS.exec(digits)?.[0].length ?? 0;
    if (zeros < excess) return undefined;
    digits = digits.slice(0, digits.length - excess);
    exponent += excess;
  }
  const missing = exponent - MAX_EXPONENT;
  if (missing > 0) {
    if (digits.length + missing > MAX_DIGITS) return undefined;
    digits += '0'.repeat(missing);
    exponent = MAX_EXPONENT;
  }
  return { digits, exponent };
}

function bytesOf(low: bigint, high: bigint, negative: boolean): Buffer {
  const bytes = Buffer.allocUnsafe(16);
  bytes.writeBigUInt64LE(low, 0);
  bytes.writeBigUInt64LE(negative ? high | SIGN : high, 8);
  return bytes;
}
