import { errors } from 'undici';
import { SluiceError } from '../../core/failure.ts';
import { isCertificateCode, isConnectionCode, isNameCode } from '../../core/network-codes.ts';

/**
 * The endpoint, or the way to it, does not work at the moment. Never leaves the sink: the same request is sent again until
 * there is an answer.
 */
export class Outage extends Error {
  readonly code: string;
  readonly hint: string | undefined;
  /** How long the endpoint asked to be left alone. */
  readonly retryAfterMs: number | undefined;

  constructor(
    message: string,
    facts: { code: string; hint?: string | undefined; retryAfterMs?: number | undefined; cause?: unknown },
  ) {
    super(message, facts.cause === undefined ? undefined : { cause: facts.cause });
    this.name = 'Outage';
    this.code = facts.code;
    this.hint = facts.hint;
    this.retryAfterMs = facts.retryAfterMs;
  }
}

/** What a status says: the request was taken, will never be, or something else is wrong. */
export type Verdict =
  | { readonly is: 'taken' }
  | { readonly is: 'refused' }
  | { readonly is: 'outage'; readonly code: string; readonly hint?: string }
  | { readonly is: 'stop'; readonly code: string; readonly what: string; readonly hint: string };

/** Statuses that are about this deployment, not about one event, and may be put right at the other end. */
const WAITING: Readonly<Record<number, { readonly code: string; readonly hint: string }>> = {
  401: {
    code: 'webhook.authentication',
    hint: 'The endpoint does not accept the login: check `auth` and `secretHeaders`, and that the endpoint knows the signing key. It is tried again; a changed secret needs a restart.',
  },
  403: {
    code: 'webhook.authorization',
    hint: 'The endpoint does not let this sender in: check `auth`, `secretHeaders` and what the endpoint allows. It is tried again.',
  },
  404: {
    code: 'webhook.not-found',
    hint: 'There is nothing at this address: check `url` (with `{db}` and `{coll}` each collection needs its path). It is tried again.',
  },
  407: { code: 'webhook.proxy-authentication', hint: 'A proxy on the way asks for a login. It is tried again.' },
};

const BUSY = new Set([408, 421, 423, 425, 429]);

/** Statuses that no event can get past, whatever it holds. */
const STOPPING: Readonly<Record<number, { readonly code: string; readonly what: string; readonly hint: string }>> = {
  405: {
    code: 'webhook.method',
    what: 'it does not take POST requests',
    hint: 'Check `url`: events are sent with POST.',
  },
  410: {
    code: 'webhook.gone',
    what: 'it says that it is gone for good',
    hint: 'Set `url` to the endpoint that took its place, or remove the pipeline.',
  },
  415: {
    code: 'webhook.media-type',
    what: 'it does not take this media type',
    hint: 'Choose a `format` that the endpoint understands.',
  },
};

/** Judges a status. Only 2xx is success; redirects are not followed, because they could lead anywhere. */
export function verdictOf(status: number): Verdict {
  if (status >= 200 && status < 300) return { is: 'taken' };
  if (status >= 300 && status < 400) {
    return {
      is: 'stop',
      code: 'webhook.redirect',
      what: 'it redirects, and redirects are not followed',
      hint: 'Set `url` to the address where the endpoint really is.',
    };
  }
  const stopping = STOPPING[status];
  if (stopping !== undefined) return { is: 'stop', ...stopping };
  const waiting = WAITING[status];
  if (waiting !== undefined) return { is: 'outage', ...waiting };
  if (BUSY.has(status)) return { is: 'outage', code: 'webhook.busy' };
  if (status >= 400 && status < 500) return { is: 'refused' };
  return { is: 'outage', code: 'webhook.server-error' };
}

/** Codes of the client for a connection that is gone or does not answer. */
const CLIENT = /^UND_ERR_(SOCKET|CONNECT_TIMEOUT|HEADERS_TIMEOUT|BODY_TIMEOUT|ABORTED)/;
/** This machine makes no connection: it has no more files, ports or memory for one, or a rule of its own forbids it. */
const LOCAL = /^(EMFILE|ENFILE|ENOBUFS|ENOMEM|EACCES|EPERM)$/;
const PROTOCOL = /^(HPE_|UND_ERR_HEADERS_OVERFLOW|UND_ERR_RES_|UND_ERR_RESPONSE)/;

/** An error of the client: an `Outage` where it is about the network, else a `SluiceError`; classified ones pass unchanged. */
export function classifyClientError(error: unknown, endpoint: string): Outage | SluiceError {
  const chain = [...chainOf(error)];
  const classified = chain.find((at) => at instanceof SluiceError || at instanceof Outage);
  if (classified !== undefined) return classified;
  const codes = chain.map((at) => (at as { code?: unknown }).code).filter((code) => typeof code === 'string');
  const said = codes[0] === undefined ? '' : ` (${codes.at(-1)})`;
  const outage = (code: string, what: string, hint?: string) =>
    new Outage(`${what} ${endpoint}${said}`, { code, hint, cause: error });
  if (codes.some(isCertificateCode)) {
    const hint = 'Check `tls.ca`, the name in the certificate of the endpoint and its dates. It is tried again.';
    return outage('webhook.tls', 'no TLS connection to', hint);
  }
  if (codes.some(isNameCode)) {
    return outage('webhook.name', 'no address was found for', 'Check the host in `url`. It is tried again.');
  }
  // The parser's own error has bytes of the answer with it, which are nobody's business.
  if (codes.some((code) => PROTOCOL.test(code)) || chain.some((at) => at instanceof errors.HTTPParserError)) {
    const hint = 'Check that `url` is an HTTP endpoint.';
    return new Outage(`no HTTP answer that can be read from ${endpoint}${said}`, { code: 'webhook.protocol', hint });
  }
  if (codes.some((code) => isConnectionCode(code) || CLIENT.test(code)))
    return outage('webhook.unreachable', 'no connection to');
  if (codes.some((code) => LOCAL.test(code))) {
    const hint =
      'This machine makes no connection: check its limit of open files (`ulimit -n`), its memory and its firewall. It is tried again.';
    return outage('webhook.no-connection-made', 'no connection to', hint);
  }
  return new SluiceError(`unexpected error from the HTTP client${said}`, {
    kind: 'internal',
    code: 'webhook.unexpected',
    cause: error,
  });
}

/** The error, its causes and the errors it is made of (one per address that was tried). */
function* chainOf(error: unknown, seen = new Set<unknown>()): Generator<object> {
  if (typeof error !== 'object' || error === null || seen.has(error)) return;
  seen.add(error);
  yield error;
  if (error instanceof AggregateError) for (const inner of error.errors) yield* chainOf(inner, seen);
  yield* chainOf((error as { cause?: unknown }).cause, seen);
}
