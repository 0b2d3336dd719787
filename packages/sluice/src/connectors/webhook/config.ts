import { isIP } from 'node:net';
import { z } from 'zod';
import { byteSize, duration, filePath, secretString, secretUri, wholeNumber } from '../../settings/scalars.ts';
import { Secret } from '../../settings/secret.ts';
import { AddressGuard, isCidr } from './address-guard.ts';
import { parseSigningKey } from './signature.ts';
import { urlProblem } from './url-template.ts';

const HEADER_NAME = /^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}$/;
/** Visible ASCII and spaces: what every server reads alike, and nothing that could end the header. */
const HEADER_VALUE = /^[\x20-\x7e]*$/;
/** Set by the connection or by this sink. */
const OWN_HEADERS =
  /^(host|connection|keep-alive|proxy-.*|te|trailer|transfer-encoding|upgrade|expect|content-.*|date|via|forwarded|x-forwarded-.*|webhook-.*|sluice-.*|ce-.*|http2-settings|cookie2)$/i;
const LOGIN_HEADERS = /^(authorization|cookie|x-api-key|api-key)$/i;

/** Headers by name. Zod tells of a wrong name only that it is one, so names are looked at here. */
function headerRecord<Value extends z.ZodType>(value: Value) {
  return z.record(z.string(), value).superRefine((headers, context) => {
    for (const name of Object.keys(headers)) {
      const message = !HEADER_NAME.test(name)
        ? 'must be the name of a header'
        : OWN_HEADERS.test(name)
          ? 'is a header that the connection or this sink sets'
          : undefined;
      if (message !== undefined) context.addIssue({ code: 'custom', path: [name], message });
    }
  });
}

const auth = z
  .discriminatedUnion('method', [
    z.strictObject({
      method: z.literal('bearer'),
      token: secretString()
        .refine((token) => HEADER_VALUE.test(token.reveal()), 'must be visible ASCII characters')
        .describe('The token.'),
    }),
    z.strictObject({
      method: z.literal('basic'),
      username: z
        .string()
        .regex(/^[^:\p{Cc}]+$/u, 'must not be empty or contain a colon')
        .describe('User name.'),
      password: secretString().describe('Password.'),
    }),
  ])
  .describe('How to log in: `bearer` or `basic`.');

const tls = z
  .strictObject({
    ca: filePath()
      .optional()
      .describe('PEM file with the certificates of the authorities to trust instead of the usual ones.'),
    cert: filePath().optional().describe('PEM file with the client certificate (mutual TLS).'),
    key: filePath().optional().describe('PEM file with the key of the client certificate.'),
  })
  .refine((files) => (files.cert === undefined) === (files.key === undefined), '`cert` and `key` go together')
  .describe('Certificates.');

const batch = z
  .strictObject({
    records: wholeNumber(1, 10_000).default(100).describe('Most events in one request.'),
    bytes: byteSize('256KiB', { min: '1KiB', max: '64MiB' }).describe(
      'Most bytes of one request; a larger event goes alone.',
    ),
    results: z
      .boolean()
      .default(true)
      .describe('Read what the answer says about each event. When false, 2xx means that all were taken.'),
  })
  .describe(
    'Several events in one request: `{"events":[{"id":…,"op":…,"ns":…,"version":…,"key":…,"value":…}]}`. Needs a JSON format. Without it, every event is a request of its own with its value as the body.',
  );

const retry = z
  .strictObject({
    min: duration('250ms', { min: '1ms' }).describe('Wait after the first failure; it doubles with every further one.'),
    max: duration('60s', { min: '1ms' }).describe('Longest wait.'),
    retryAfterMax: duration('10m', { min: '0ms' }).describe(
      'Longest wait that `Retry-After` of an answer can ask for.',
    ),
  })
  .refine(({ min, max }) => min <= max, { message: 'min must not be longer than max', path: ['min'] })
  .prefault({})
  .describe('Wait between tries. Outages of the endpoint are retried for ever.');

const breaker = z
  .strictObject({
    failures: wholeNumber(1, 1000)
      .default(5)
      .describe('After so many outages in a row nothing is sent until a probe gets through.'),
    wait: duration('5s', { min: '1ms' }).describe('Wait before the first probe; it doubles with every failed one.'),
    maxWait: duration('60s', { min: '1ms' }).describe('Longest wait before a probe.'),
  })
  .refine(({ wait, maxWait }) => wait <= maxWait, { message: 'wait must not be longer than maxWait', path: ['wait'] })
  .prefault({})
  .describe('Circuit breaker of an endpoint. While it is open the pipeline waits; nothing is dropped.');

const cidr = z.string().refine(isCidr, 'must be a range of addresses such as 10.1.0.0/16');

/** The `webhook` sink. */
export const webhookSinkConfig = z
  .strictObject({
    url: secretUri(['https', 'http'])
      .superRefine((url, context) => {
        const problem = urlProblem(url.reveal());
        if (problem !== undefined) context.addIssue({ code: 'custom', message: problem });
      })
      .describe(
        'Where events are sent, with POST. `{db}` and `{coll}` behind the host are replaced by the namespace of the event, percent-encoded.',
      ),
    auth: auth.optional(),
    headers: headerRecord(z.string().regex(HEADER_VALUE, 'must be visible ASCII characters and spaces'))
      .refine((headers) => !Object.keys(headers).some((name) => LOGIN_HEADERS.test(name)), {
        message: 'a header with a login belongs into `secretHeaders` or `auth`',
      })
      .default({})
      .describe('Further headers of every request.'),
    secretHeaders: headerRecord(
      secretString().refine(
        (value) => HEADER_VALUE.test(value.reveal()),
        'must be visible ASCII characters and spaces',
      ),
    )
      .default({})
      .describe('Further headers whose values are secrets, e.g. `X-Api-Key`.'),
    tls: tls.optional(),
    signing: z
      .array(
        secretString().refine(
          (key) => parseSigningKey(key.reveal()) !== undefined,
          'must be `whsec_` and 24 to 64 bytes in base64, or `whsk_` and an ed25519 key in base64',
        ),
      )
      .max(8)
      .default([])
      .describe(
        'Keys that sign every request by Standard Webhooks: `whsec_…` (HMAC-SHA256) or `whsk_…` (ed25519). Several for changing over from one to the next.',
      ),
    idPrefix: z
      .string()
      .regex(/^[A-Za-z0-9_-]{0,100}$/, 'must be at most 100 letters, digits, `_` or `-`')
      .optional()
      .describe('Start of `webhook-id`; the event id follows. Default: the name of the pipeline and `_`.'),
    batch: batch.optional(),
    timeout: duration('15s', { min: '10ms', max: '10m' }).describe('How long one request may take, answer included.'),
    attempts: wholeNumber(1, 100)
      .default(3)
      .describe(
        'Tries of an event that the endpoint refuses (400, 413, 422 and the like) before it becomes a dead letter.',
      ),
    retry,
    breaker,
    responseBytes: byteSize('1MiB', { min: '1KiB', max: '64MiB' }).describe('Most bytes of an answer that are read.'),
    allowHttp: z
      .boolean()
      .default(false)
      .describe('Allow `http://`, where everybody on the way can read and change events.'),
    allowPrivate: z
      .union([z.boolean(), z.array(cidr).min(1)], { error: 'must be true, false or a list of address ranges' })
      .default(false)
      .describe(
        '`true`: the endpoint may be on this machine or in a private network. A list of ranges (`10.1.0.0/16`) allows these only. Link-local, multicast and metadata addresses need to be listed.',
      ),
  })
  .superRefine(({ url, allowHttp, allowPrivate }, context) => {
    // Zod comes here with what it could not read, too.
    const text = url instanceof Secret ? url.reveal() : '';
    if (urlProblem(text) !== undefined) return;
    const { protocol, hostname } = new URL(text.replaceAll(/[{}]/g, ''));
    if (protocol === 'http:' && !allowHttp) {
      context.addIssue({
        code: 'custom',
        path: ['url'],
        message: 'must start with https:// unless `allowHttp` is set',
      });
    }
    const address = hostname.replace(/^\[(.*)\]$/, '$1');
    if (isIP(address) === 0) return;
    const why = new AddressGuard(allowPrivate).refusal(address);
    if (why === undefined) return;
    const hint = why === 'private' ? 'set `allowPrivate`' : 'list its range in `allowPrivate`';
    context.addIssue({
      code: 'custom',
      path: ['url'],
      message: `${address} is an address of a ${why} range: ${hint} if it is meant`,
    });
  });

/** The validated `webhook` sink settings. Times in ms, sizes in bytes. */
export type WebhookSinkConfig = z.output<typeof webhookSinkConfig>;

/** Scheme, host and port: what may be shown of a URL, whose path may be a secret. */
export function shownUrl({ url }: Pick<WebhookSinkConfig, 'url'>): string {
  return new URL(url.reveal().replaceAll(/[{}]/g, '')).origin;
}
