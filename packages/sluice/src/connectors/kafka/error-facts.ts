import { isCertificateCode, isConnectionCode, isNameCode } from '../../core/network-codes.ts';
/** What can be known about an error of the client library, whatever its nesting. */
export interface KafkaErrorFacts {
  /** Names of the protocol errors in it, e.g. `NOT_LEADER_OR_FOLLOWER`, outermost first. */
  readonly protocolErrors: readonly string[];
  /** True when each protocol error is one that goes away by itself. */
  readonly retriable: boolean;
  /** Words of the broker, or of Node's innermost error; empty when there are none. */
  readonly said: string;
  readonly authentication: boolean;
  readonly unsupported: boolean;
  readonly network: boolean;
  readonly timeout: boolean;
  /** TLS was set up wrongly or a certificate was refused. */
  readonly certificate: boolean;
  /** The broker answered a plain connection with TLS. */
  readonly tlsWanted: boolean;
}

interface LibraryError {
  readonly code?: unknown;
  readonly message?: unknown;
  readonly apiId?: unknown;
  readonly canRetry?: unknown;
  readonly serverErrorMessage?: unknown;
  readonly errors?: unknown;
  readonly cause?: unknown;
}

const UNSUPPORTED = new Set(['PLT_KFK_UNSUPPORTED_API', 'PLT_KFK_UNSUPPORTED', 'PLT_KFK_UNSUPPORTED_FORMAT']);

/** Walks the error, its parts and its causes. */
export function errorFacts(error: unknown): KafkaErrorFacts {
  const all = [...flatten(error, new Set())];
  const codes = all.map(({ code }) => (typeof code === 'string' ? code : ''));
  const texts = all.map(({ message }) => (typeof message === 'string' ? message : ''));
  const protocol = all.filter(({ apiId }) => typeof apiId === 'string');
  // The library has no code of their own for these.
  const says = (text: string) => texts.some((message) => message.includes(text));
  return {
    protocolErrors: protocol.map(({ apiId }) => apiId as string),
    retriable: protocol.every(({ canRetry }) => canRetry === true),
    said: spoken(all),
    authentication: codes.includes('PLT_KFK_AUTHENTICATION'),
    unsupported: codes.some((code) => UNSUPPORTED.has(code)),
    network: codes.some(
      (code) => code === 'PLT_KFK_NETWORK' || code === 'PLT_KFK_TIMEOUT' || isConnectionCode(code) || isNameCode(code),
    ),
    timeout: says('timed out') || codes.includes('ETIMEDOUT'),
    certificate: codes.some(isCertificateCode) || says('TLS handshake failed'),
    tlsWanted: says('Broker requires TLS'),
  };
}

function spoken(all: readonly LibraryError[]): string {
  const server = all.find(
    ({ serverErrorMessage }) => typeof serverErrorMessage === 'string' && serverErrorMessage !== '',
  );
  if (server !== undefined) return server.serverErrorMessage as string;
  const innermost = all.findLast(({ code, apiId }) => typeof code === 'string' && apiId === undefined);
  return typeof innermost?.message === 'string' ? innermost.message : '';
}

function* flatten(error: unknown, seen: Set<unknown>): Generator<LibraryError> {
  if (typeof error !== 'object' || error === null || seen.has(error)) return;
  seen.add(error);
  const { errors, cause } = error as LibraryError;
  yield error;
  if (Array.isArray(errors)) for (const part of errors) yield* flatten(part, seen);
  yield* flatten(cause, seen);
}
