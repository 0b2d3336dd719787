import { createHash, createHmac, createPrivateKey, type KeyObject, sign } from 'node:crypto';

/*
 * Standard Webhooks 1.0.0: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
 */

const SYMMETRIC = 'whsec_';
const ASYMMETRIC = 'whsk_';
/** Length of a symmetric secret in bytes, by the specification. */
const SECRET_BYTES = { min: 24, max: 64 };
const SEED_BYTES = 32;
/** An ed25519 key of 32 bytes in PKCS #8 form is these bytes and the key (RFC 8410). */
const PKCS8_ED25519 = Buffer.from('302e020100300506032b657004220420', 'hex');

const BASE64 = /^[A-Za-z0-9+/]+={0,2}$/;
/** No dot, because the signed text separates its parts with dots, and nothing that a header could not hold. */
const PLAIN_ID = /^[A-Za-z0-9_-]{1,200}$/;

/** One way to sign: HMAC-SHA256 (`v1`) or ed25519 (`v1a`). */
export type SigningKey =
  | { readonly version: 'v1'; readonly secret: Buffer }
  | { readonly version: 'v1a'; readonly key: KeyObject };

/** What is signed: exactly the bytes that are sent. */
export interface SignedMessage {
  readonly id: string;
  /** Time of the attempt in seconds since the epoch. */
  readonly timestamp: number;
  readonly body: Uint8Array;
}

/** The key in `whsec_…` (24 to 64 bytes in base64) or `whsk_…` (ed25519, 32 or 64 bytes); undefined when it is neither. */
export function parseSigningKey(text: string): SigningKey | undefined {
  const start = [SYMMETRIC, ASYMMETRIC].find((prefix) => text.startsWith(prefix));
  const encoded = text.slice(start?.length);
  if (start === undefined || !BASE64.test(encoded)) return undefined;
  const bytes = Buffer.from(encoded, 'base64');
  if (start === SYMMETRIC) {
    const fits = bytes.length >= SECRET_BYTES.min && bytes.length <= SECRET_BYTES.max;
    return fits ? { version: 'v1', secret: bytes } : undefined;
  }
  // Some libraries keep the public key behind the private one.
  if (bytes.length !== SEED_BYTES && bytes.length !== 2 * SEED_BYTES) return undefined;
  const der = Buffer.concat([PKCS8_ED25519, bytes.subarray(0, SEED_BYTES)]);
  return { version: 'v1a', key: createPrivateKey({ key: der, format: 'der', type: 'pkcs8' }) };
}

/** Value of `webhook-signature`: one signature per key, so that receivers can change over from one to the next. */
export function signatures({ id, timestamp, body }: SignedMessage, keys: readonly SigningKey[]): string {
  const start = `${id}.${timestamp}.`;
  return keys
    .map((key) => {
      if (key.version === 'v1') {
        return `v1,${createHmac('sha256', key.secret).update(start).update(body).digest('base64')}`;
      }
      return `v1a,${sign(null, Buffer.concat([Buffer.from(start), body]), key.key).toString('base64')}`;
    })
    .join(' ');
}

/** The `webhook-id` of an event: the same at every attempt and after every restart. Ids with other characters are hashed. */
export function webhookId(prefix: string, eventId: string): string {
  const plain = `${prefix}${eventId}`;
  return PLAIN_ID.test(plain) ? plain : `${prefix}${createHash('sha256').update(eventId).digest('base64url')}`;
}

/** The `webhook-id` of a request with several events: a hash over theirs, the same for the same events. */
export function batchId(ids: readonly string[]): string {
  return `batch_${createHash('sha256').update(ids.join('\n')).digest('base64url')}`;
}
