import { isCertificateCode, isConnectionCode, isNameCode } from '../../core/network-codes.ts';
/** A refusal of JetStream in the answer to a publish. */
export class PublishRefusal extends Error {
  /** JetStream's error code, e.g. 10071. */
  readonly code: number;
  /** HTTP-like status: 4xx for the request, 5xx for the server. */
  readonly status: number;

  constructor(error: { readonly code: number; readonly err_code: number; readonly description: string }) {
    super(error.description);
    this.name = 'PublishRefusal';
    this.code = error.err_code;
    this.status = error.code;
  }
}

/** What can be known about an error of the client library, whatever its nesting. */
export interface NatsErrorFacts {
  /** JetStream's error code and status; undefined when JetStream did not answer. */
  readonly jetStream: { readonly code: number; readonly status: number } | undefined;
  /** Names of the errors in it, outermost first. */
  readonly names: readonly string[];
  /** Words of the server or of Node's innermost error. */
  readonly said: string;
  readonly network: boolean;
  /** TLS was set up wrongly or a certificate was refused. */
  readonly certificate: boolean;
}

interface LibraryError {
  readonly name?: unknown;
  readonly message?: unknown;
  readonly code?: unknown;
  readonly status?: unknown;
  readonly cause?: unknown;
}

/** Walks the error and its causes. */
export function errorFacts(error: unknown): NatsErrorFacts {
  const all = [...chainOf(error)];
  const codes = all.map(({ code }) => (typeof code === 'string' ? code : ''));
  const answer = all.find(({ code, status }) => typeof code === 'number' && typeof status === 'number');
  const innermost = answer ?? all.at(-1);
  return {
    jetStream: answer && { code: answer.code as number, status: answer.status as number },
    names: all.map(({ name }) => String(name)),
    said: typeof innermost?.message === 'string' ? innermost.message : '',
    network: codes.some((code) => isConnectionCode(code) || isNameCode(code)),
    certificate: codes.some(isCertificateCode),
  };
}

function* chainOf(error: unknown): Generator<LibraryError> {
  const seen = new Set<unknown>();
  for (let at = error; typeof at === 'object' && at !== null && !seen.has(at); at = (at as LibraryError).cause) {
    seen.add(at);
    yield at;
  }
}
