import { errors } from 'undici';
import { type FailureKind, SluiceError } from '../../core/failure.ts';
import { isCertificateCode, isConnectionCode, isNameCode } from '../../core/network-codes.ts';

/** What is wrong, before it is known where. */
interface Verdict {
  readonly kind: FailureKind;
  readonly code: string;
  readonly what: string;
  readonly hint?: string;
}

/** Statuses that say something about one request, which only its caller can judge. */
const FOR_THE_CALLER = new Set([400, 404, 409, 413, 429]);

/** `error.type` of a request that a block of the cluster or an index keeps from being done. */
const BLOCK = 'cluster_block_exception';

/** Statuses of a node, or of what stands before it, that another node may not have. */
const OF_THE_NODE = new Set([502, 503, 504]);

/** An answer as it is judged. */
export interface JudgedAnswer {
  readonly status: number;
  readonly body: Buffer;
  /** Scheme, host and port that it came from. */
  readonly origin: string;
}

/**
 * True when the caller gets the answer: success, or a refusal that is about this one request. The flood stage, which newer
 * versions answer with 429, is not: nothing but free space helps.
 */
export function isForCaller({ status, body }: JudgedAnswer): boolean {
  if (status >= 200 && status < 300) return true;
  return FOR_THE_CALLER.has(status) && !(status === 429 && errorType(body) === BLOCK);
}

/** True when the same request may well be answered by another node. */
export function isOfNode(status: number): boolean {
  return OF_THE_NODE.has(status);
}

/** The error of an answer that is not for the caller. `doing` says what was tried, as a clause (`write to orders`). */
export function classifyAnswer({ status, body, origin }: JudgedAnswer, doing: string): SluiceError {
  const type = errorType(body);
  const { kind, code, what, hint } = verdictOf(status, type, body);
  const said = type === undefined ? `${status}` : `${status} ${type}`;
  return new SluiceError(`cannot ${doing}: ${what} (${said} from ${origin})`, { kind, code, hint });
}

function verdictOf(status: number, type: string | undefined, body: Buffer): Verdict {
  if (status === 401) {
    return {
      kind: 'config',
      code: 'search.authentication',
      what: 'the login is not accepted',
      hint: 'Check `auth`, and that the user, key or client certificate is known to the cluster.',
    };
  }
  if (type === BLOCK) return BLOCKED;
  if (status === 403) return forbidden(body);
  if (status >= 300 && status < 400) return REDIRECT;
  if (status === 408) return { kind: 'transient', code: 'search.timeout', what: 'the request took too long to arrive' };
  if (status >= 500) {
    const busy = isOfNode(status);
    return {
      kind: 'transient',
      code: busy ? 'search.not-available' : 'search.server-error',
      what: busy ? 'the cluster is not available at the moment' : 'the server failed',
      hint: busy
        ? 'Check that the nodes run and have elected one of them (`GET _cluster/health`). It is tried again.'
        : 'The log of the node says more. It is tried again.',
    };
  }
  return {
    kind: 'config',
    code: 'search.refused',
    what: 'the server does not take such a request',
    hint: 'Check that `nodes` are those of Elasticsearch 7 to 9 or OpenSearch 1 to 3, and that what stands before them lets requests through unchanged.',
  };
}

/** The disk is full beyond the flood stage, an index is read-only, or the cluster has no master: all of that passes. */
const BLOCKED: Verdict = {
  kind: 'transient',
  code: 'search.blocked',
  what: 'the cluster or an index is blocked',
  hint: 'Usually a disk is full (flood stage): free space, or unset `index.blocks.read_only_allow_delete`, `index.blocks.write` or `index.blocks.read_only`. It is tried again.',
};

const REDIRECT: Verdict = {
  kind: 'config',
  code: 'search.redirect',
  what: 'the server redirects, and redirects are not followed',
  hint: 'Set `nodes` to the addresses where the cluster really is.',
};

function forbidden(body: Buffer): Verdict {
  const action = actionOf(body);
  const grant = action === undefined ? 'what it needs' : `\`${action}\``;
  return {
    kind: 'config',
    code: 'search.authorization',
    what: action === undefined ? 'the login may not do this' : `the login may not do ${action}`,
    hint: `Grant ${grant} to the user, role or key. With \`auth.aws\` check the access policy, the region, and the clock of this machine.`,
  };
}

/** The name of the action in the words of the security plugins; nothing else of them is shown, since they name users. */
function actionOf(body: Buffer): string | undefined {
  return /\[((?:indices|cluster):[a-z0-9_/*]{1,100}(?:\[[a-z]{1,4}\])?)\]/.exec(body.toString('utf8', 0, 4096))?.[1];
}

/**
 * `error.type` of an answer, e.g. `mapper_parsing_exception`; undefined when there is none. Its `reason` quotes documents and is
 * for nobody's log.
 */
export function errorType(body: Buffer): string | undefined {
  if (body.length === 0 || body[0] !== 0x7b) return undefined;
  try {
    const { error } = JSON.parse(body.toString()) as { error?: unknown };
    const type = typeof error === 'object' && error !== null ? (error as { type?: unknown }).type : undefined;
    return typeof type === 'string' && /^[a-zA-Z0-9_]{1,100}$/.test(type) ? type : undefined;
  } catch {
    return undefined;
  }
}

/** An answer that no search server gives: a page of a proxy, or something else that listens at the address. */
export function notJson(status: number, doing: string): SluiceError {
  return new SluiceError(`cannot ${doing}: the answer (${status}) is not JSON`, {
    kind: 'transient',
    code: 'search.not-json',
    hint: 'Something else than Elasticsearch or OpenSearch answers: check `nodes`, and proxies on the way. It is tried again.',
  });
}

/** Codes of the client for a connection that is gone or does not answer. */
const CLIENT = /^UND_ERR_(SOCKET|CONNECT_TIMEOUT|HEADERS_TIMEOUT|BODY_TIMEOUT|ABORTED)/;
/** This machine makes no connection: it has no more files, ports or memory for one, or a rule of its own forbids it. */
const LOCAL = /^(EMFILE|ENFILE|ENOBUFS|ENOMEM|EACCES|EPERM)$/;
const PROTOCOL = /^(HPE_|UND_ERR_HEADERS_OVERFLOW|UND_ERR_RES_|UND_ERR_RESPONSE)/;

/** The error of the client, which got no answer from the node. Classified ones pass unchanged. */
export function classifyClientError(error: unknown, node: string, doing: string): SluiceError {
  const chain = [...chainOf(error)];
  const classified = chain.find((at) => at instanceof SluiceError);
  if (classified !== undefined) return classified;
  const codes = chain.map((at) => (at as { code?: unknown }).code).filter((code) => typeof code === 'string');
  const parser = chain.some((at) => at instanceof errors.HTTPParserError);
  const verdict = parser ? UNREADABLE : verdictOfCodes(codes);
  const said = codes.length === 0 ? '' : ` (${codes.at(-1)})`;
  return new SluiceError(`cannot ${doing}: ${verdict.what} ${node}${said}`, {
    kind: verdict.kind,
    code: verdict.code,
    hint: verdict.hint,
    // The parser's own error has bytes of the answer with it, which are nobody's business.
    cause: verdict === UNREADABLE ? undefined : error,
  });
}

const UNREADABLE: Verdict = {
  kind: 'transient',
  code: 'search.protocol',
  what: 'no HTTP answer that can be read from',
  hint: 'Check that `nodes` are the HTTP ports of the cluster (9200, not 9300), and whether they want https://.',
};

const UNEXPECTED: Verdict = {
  kind: 'internal',
  code: 'search.unexpected',
  what: 'unexpected error from the HTTP client at',
};

const BY_CODE: readonly (readonly [isSuch: (code: string) => boolean, Verdict])[] = [
  [
    isCertificateCode,
    {
      kind: 'transient',
      code: 'search.tls',
      what: 'no TLS connection to',
      hint: 'Check `tls.ca`, the name in the certificate of the nodes (`tls.serverName`) and its dates, the client certificate, and that the nodes speak TLS. It is tried again.',
    },
  ],
  [
    isNameCode,
    {
      kind: 'transient',
      code: 'search.name',
      what: 'no address was found for',
      hint: 'Check the hosts in `nodes`. It is tried again.',
    },
  ],
  [(code) => PROTOCOL.test(code), UNREADABLE],
  [
    (code) => isConnectionCode(code) || CLIENT.test(code),
    {
      kind: 'transient',
      code: 'search.unreachable',
      what: 'no connection to',
      hint: 'Check `nodes`, and whether they want https://. It is tried again.',
    },
  ],
  [
    (code) => LOCAL.test(code),
    {
      kind: 'transient',
      code: 'search.no-connection-made',
      what: 'no connection to',
      hint: 'This machine makes no connection: check its limit of open files (`ulimit -n`), its memory and its firewall. It is tried again.',
    },
  ],
];

function verdictOfCodes(codes: readonly string[]): Verdict {
  return BY_CODE.find(([isSuch]) => codes.some(isSuch))?.[1] ?? UNEXPECTED;
}

/** The error, its causes and the errors it is made of (one per address that was tried). */
function* chainOf(error: unknown, seen = new Set<unknown>()): Generator<object> {
  if (typeof error !== 'object' || error === null || seen.has(error)) return;
  seen.add(error);
  yield error;
  if (error instanceof AggregateError) for (const inner of error.errors) yield* chainOf(inner, seen);
  yield* chainOf((error as { cause?: unknown }).cause, seen);
}
