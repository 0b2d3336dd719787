import { formatNamespace } from '../../core/change-event.ts';
import type { Envelope } from '../../core/envelope.ts';
import { SluiceError } from '../../core/failure.ts';
import type { EncodedRecord } from '../../core/format.ts';
import type { WebhookSinkConfig } from './config.ts';

/** Servers take some KiB for all headers together. */
const LONGEST_KEY = 4096;

/**
 * Text for a header: percent-encoded UTF-8, so that `decodeURIComponent` gives it back. Only visible ASCII characters
 * without `"` and `%` stay as they are (the encoding of CloudEvents' HTTP binding).
 */
export function headerText(text: string | Buffer): string {
  const bytes = typeof text === 'string' ? Buffer.from(text) : text;
  return bytes
    .toString('latin1')
    .replaceAll(/[^\x21-\x7e]|["%]/g, (byte) => `%${byte.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`);
}

/** `seconds,increment,ordinal`: of two states of one document the one with the larger numbers is newer. */
export function versionText({ event: { version } }: Envelope): string {
  return `${version.clusterTime.t},${version.clusterTime.i},${version.ordinal}`;
}

/** What every request of a sink carries: media type, logins, and what the user has set. Revealed here only. */
export function fixedHeaders(
  config: Pick<WebhookSinkConfig, 'auth' | 'headers' | 'secretHeaders'>,
): Record<string, string> {
  const secret = Object.entries(config.secretHeaders).map(([name, value]) => [name.toLowerCase(), value.reveal()]);
  const plain = Object.entries(config.headers).map(([name, value]) => [name.toLowerCase(), value]);
  const { auth } = config;
  const login = auth === undefined ? {} : { authorization: authorization(auth) };
  return { 'user-agent': 'Sluice', ...Object.fromEntries(plain), ...Object.fromEntries(secret), ...login };
}

function authorization(auth: NonNullable<WebhookSinkConfig['auth']>): string {
  if (auth.method === 'bearer') return `Bearer ${auth.token.reveal()}`;
  return `Basic ${Buffer.from(`${auth.username}:${auth.password.reveal()}`).toString('base64')}`;
}

/** Every form in which a login can come back in an answer: by itself, and as the header has it, with its padding or without. */
export function shownForms(auth: WebhookSinkConfig['auth']): readonly string[] {
  if (auth === undefined) return [];
  if (auth.method === 'bearer') return [auth.token.reveal()];
  const sent = authorization(auth).slice('Basic '.length);
  return [auth.password.reveal(), sent, sent.replace(/=+$/, '')];
}

/**
 * The headers of a request with one event: `sluice-op`, `sluice-ns` (`db.coll` at the source), `sluice-version` and `sluice-key`
 * (left out when it is longer than 4 KiB and there is a body), with what the format asks for as `ce-…`. Throws `rejected` when
 * they do not fit.
 */
export function eventHeaders(envelope: Envelope, record: EncodedRecord): Record<string, string> {
  const { event } = envelope;
  const headers: Record<string, string> = {
    'sluice-op': headerText(event.op),
    'sluice-ns': headerText(formatNamespace(event.namespace)),
    'sluice-version': versionText(envelope),
  };
  if (record.key !== null) {
    const key = headerText(record.key);
    if (key.length <= LONGEST_KEY) headers['sluice-key'] = key;
    else if (record.value === null) throw tooLong(envelope);
  }
  let length = 0;
  for (const [name, value] of Object.entries(record.headers ?? {})) {
    const text = headerText(value);
    headers[`ce-${name}`] = text;
    length += text.length;
  }
  if (length > 2 * LONGEST_KEY) throw tooLong(envelope);
  return headers;
}

function tooLong({ event }: Envelope): SluiceError {
  return new SluiceError(`the key of the ${event.op} in ${formatNamespace(event.namespace)} is too long for a header`, {
    kind: 'rejected',
    code: 'webhook.key-too-long',
    hint: 'Set `batch` (`batch: { records: 1 }` will do): then the key is in the body.',
  });
}
