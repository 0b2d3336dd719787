import { cut, printable } from '../bson/readable-text.ts';
import type { BrokerMessage } from '../core/broker-message.ts';
import type { Style } from './terminal.ts';

const KEY_WIDTH = 40;

/** A message as it is in one line, for what no change can be made of: `12:30:01.120 message "key"  value`. */
export function messageLine(
  { timestampMs, key, value }: BrokerMessage,
  { paint, width }: { readonly paint: (style: Style, text: string) => string; readonly width: number },
): string {
  const clock = new Date(Math.max(0, timestampMs)).toISOString().slice(11, 23);
  const words = [paint('gray', clock), paint('magenta', 'message'), paint('bold', shown(key, KEY_WIDTH))];
  return `${words.join(' ')}  ${shown(value, width)}`;
}

/** The message as it is, for `--json`. Bytes that are not UTF-8 are in base64, under another name. */
export function messageRecord(message: BrokerMessage & { readonly partition: number }): object {
  const { topic, partition, sequence, timestampMs, headers } = message;
  const named = [...headers].map(([name, bytes]) => [name, textOf(bytes) ?? Buffer.from(bytes).toString('base64')]);
  return {
    topic,
    partition,
    offset: sequence,
    timestamp: new Date(Math.max(0, timestampMs)).toISOString(),
    ...content('key', message.key),
    ...content('value', message.value),
    headers: Object.fromEntries(named),
  };
}

function content(name: string, bytes: Uint8Array | null): object {
  if (bytes === null) return { [name]: null };
  const text = textOf(bytes);
  return text === undefined ? { [`${name}Base64`]: Buffer.from(bytes).toString('base64') } : { [name]: text };
}

const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

function textOf(bytes: Uint8Array): string | undefined {
  try {
    return UTF8.decode(bytes);
  } catch {
    return undefined;
  }
}

function shown(bytes: Uint8Array | null, width: number): string {
  if (bytes === null) return 'null';
  // No character takes more bytes, so nothing is decoded that does not show.
  const start = Buffer.from(bytes.subarray(0, 4 * width + 4));
  return cut(printable(start.toString()), width);
}
