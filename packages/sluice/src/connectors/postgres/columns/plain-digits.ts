const NUMBER = /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/;

/**
 * The number without an exponent, as PostgreSQL shows it once it is a `numeric` or in `jsonb`: `1.5e-7` is
 * `0.00000015`, zeros at the end of the fraction stay, and zero has no sign. Other text comes back as it is.
 */
export function plainDigits(text: string): string {
  const match = NUMBER.exec(text);
  if (match === null) return text;
  const [, sign = '', integer = '', fraction = '', exponent = '0'] = match;
  const digits = integer + fraction;
  const shift = Number(exponent);
  const point = integer.length + shift;
  const padded = point <= 0 ? '0'.repeat(1 - point) + digits : digits.padEnd(point, '0');
  const at = Math.max(point, 1);
  const whole = padded.slice(0, at).replace(/^0+(?=\d)/, '');
  const rest = padded.slice(at);
  const isZero = !/[1-9]/.test(digits);
  return `${isZero ? '' : sign}${whole}${rest === '' ? '' : `.${rest}`}`;
}
