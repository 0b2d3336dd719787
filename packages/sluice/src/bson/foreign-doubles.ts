/**
 * The text of a finite double as `Double.toString` of Java gives it: the shortest digits that give it back, at least
 * one behind the point, with an exponent below 0.001 and from ten million on.
 */
export function formatJavaDouble(value: number): string {
  if (Number.isInteger(value) && value > -LEAST_EXPONENT && value < LEAST_EXPONENT) {
    return Object.is(value, -0) ? '-0.0' : `${value}.0`;
  }
  const size = Math.abs(value);
  if (size >= GREATEST_SMALL && size < LEAST_EXPONENT) return String(value);
  const shortest = value.toExponential();
  // With one digit Java looks for the nearest number of two.
  const [mantissa = '', exponent = ''] = (shortest.includes('.') ? shortest : value.toExponential(1)).split('e');
  return `${mantissa}E${exponent.replace('+', '')}`;
}

const GREATEST_SMALL = 1e-3;
const LEAST_EXPONENT = 1e7;

/**
 * The text of a finite double as MongoDB's Go driver gives it: the shortest digits that give it back, with an exponent
 * of two digits or more below 0.0001 and from a million on, else with a point.
 */
export function formatGoDouble(value: number): string {
  const size = Math.abs(value);
  if (size === 0) return Object.is(value, -0) ? '-0.0' : '0.0';
  if (size >= 1e-4 && size < 1e6) return Number.isInteger(value) ? `${value}.0` : String(value);
  const [mantissa = '', exponent = ''] = value.toExponential().split('e');
  return `${mantissa}E${exponent[0]}${exponent.slice(1).padStart(2, '0')}`;
}
