import { randomBytes, timingSafeEqual } from 'node:crypto';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse, request as send } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import { type TempDir, tempDir } from '../temp-dir.ts';
import { type AwsAccess, signatureProblem } from './aws-signature-check.ts';
import { type Certificates, makeCertificates } from './certificates.ts';

/** What the front demands. */
export interface FrontOptions {
  /** How clients log in. Default: not at all. */
  readonly auth?: 'basic' | 'api-key' | 'sigv4';
  /** True: clients must speak TLS; `mutual`: with a certificate of the same CA. */
  readonly tls?: boolean | 'mutual';
  /** With `sigv4`: what is signed for. Default: `es` in `eu-central-1`, without a session token. */
  readonly aws?: Partial<Pick<AwsAccess, 'region' | 'service' | 'sessionToken'>>;
}

/** A reverse proxy on the loopback address in front of an HTTP server, with what a client needs to get in. */
export interface SecureFront extends AsyncDisposable {
  /** `https://127.0.0.1:port` or `http://127.0.0.1:port`. */
  readonly url: string;
  readonly login: { readonly user: string; readonly password: string } | undefined;
  /** `encoded` is what stands behind `ApiKey` in the header. */
  readonly apiKey: { readonly id: string; readonly key: string; readonly encoded: string } | undefined;
  readonly aws: AwsAccess | undefined;
  readonly tls: Certificates | undefined;
  /** Requests that were forwarded. */
  readonly forwarded: number;
  /** Why requests were refused, in their order. TLS handshakes that fail are not among them. */
  readonly refusals: readonly string[];
  /** While true, the login, key or signature is not accepted any more. */
  revoked: boolean;
}

/** Starts a front for the server at `url` (plain HTTP). Credentials and certificates are made anew. */
export async function secureFront(url: string, options: FrontOptions = {}): Promise<SecureFront> {
  const folder = options.tls ? await tempDir('front') : undefined;
  const tls = folder === undefined ? undefined : await makeCertificates(folder.path);
  const server = await listening(tls, options.tls === 'mutual');
  const { port } = server.address() as AddressInfo;
  return new Front(server, { url: `${tls ? 'https' : 'http'}://127.0.0.1:${port}`, engine: url, options, tls, folder });
}

async function listening(tls: Certificates | undefined, mutual: boolean): Promise<Server> {
  let server: Server;
  if (tls === undefined) server = createServer();
  else {
    const [pem, ca] = await Promise.all([readFile(tls.serverFile), readFile(tls.caFile)]);
    server = createTlsServer({ key: pem, cert: pem, ca, requestCert: mutual, rejectUnauthorized: mutual });
  }
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return server;
}

interface FrontParts {
  readonly url: string;
  readonly engine: string;
  readonly options: FrontOptions;
  readonly tls: Certificates | undefined;
  readonly folder: TempDir | undefined;
}

interface Refusal {
  readonly status: 401 | 403;
  readonly reason: string;
}

const secret = () => randomBytes(12).toString('hex');
/** Between two neighbours only (RFC 9110, 7.6.1). */
const NOT_FORWARDED = new Set(['authorization', 'connection', 'host', 'keep-alive', 'transfer-encoding', 'upgrade']);

class Front implements SecureFront {
  readonly url: string;
  readonly login: SecureFront['login'];
  readonly apiKey: SecureFront['apiKey'];
  readonly aws: AwsAccess | undefined;
  readonly tls: Certificates | undefined;
  readonly refusals: string[] = [];
  forwarded = 0;
  revoked = false;
  readonly #server: Server;
  readonly #engine: string;
  readonly #folder: TempDir | undefined;
  readonly #sockets = new Set<Socket>();

  constructor(server: Server, { url, engine, options, tls, folder }: FrontParts) {
    this.url = url;
    this.tls = tls;
    this.login = options.auth === 'basic' ? { user: 'sluice', password: secret() } : undefined;
    this.apiKey = options.auth === 'api-key' ? apiKey(secret(), secret()) : undefined;
    this.aws = options.auth === 'sigv4' ? awsAccess(options.aws) : undefined;
    this.#server = server;
    this.#engine = engine;
    this.#folder = folder;
    server.on('connection', (socket: Socket) => {
      this.#sockets.add(socket);
      socket.once('close', () => this.#sockets.delete(socket));
    });
    server.on('request', (request, response) => {
      this.#handle(request, response).catch(() => response.destroy());
    });
  }

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await bodyOf(request);
    const refusal = this.#refusal(request, body);
    if (refusal === undefined) return this.#forward(request, body, response);
    this.refusals.push(refusal.reason);
    const type = refusal.status === 401 ? 'security_exception' : 'AccessDeniedException';
    response.writeHead(refusal.status, {
      'content-type': 'application/json',
      ...(refusal.status === 401 ? { 'www-authenticate': 'Basic realm="security"' } : {}),
    });
    response.end(JSON.stringify({ error: { type, reason: refusal.reason }, status: refusal.status }));
  }

  #refusal(request: IncomingMessage, body: Buffer): Refusal | undefined {
    const header = request.headers.authorization ?? '';
    if (this.login !== undefined) {
      const { user, password } = this.login;
      return this.#allowed(header, `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`);
    }
    if (this.apiKey !== undefined) return this.#allowed(header, `ApiKey ${this.apiKey.encoded}`);
    if (this.aws === undefined) return undefined;
    const { method = '', url: target = '', headers } = request;
    const reason = this.revoked
      ? 'the access key is not known'
      : signatureProblem({ method, target, headers, body }, this.aws);
    return reason === undefined ? undefined : { status: 403, reason };
  }

  #allowed(header: string, expected: string): Refusal | undefined {
    const [sent, wanted] = [Buffer.from(header), Buffer.from(expected)];
    const same = sent.length === wanted.length && timingSafeEqual(sent, wanted);
    return same && !this.revoked ? undefined : { status: 401, reason: 'missing or wrong credentials' };
  }

  async #forward(request: IncomingMessage, body: Buffer, response: ServerResponse): Promise<void> {
    this.forwarded += 1;
    const headers = Object.fromEntries(Object.entries(request.headers).filter(([name]) => !NOT_FORWARDED.has(name)));
    const onward = send(`${this.#engine}${request.url ?? '/'}`, {
      ...(request.method === undefined ? {} : { method: request.method }),
      headers: { ...headers, 'content-length': body.length },
    });
    onward.end(body);
    const [answer] = (await once(onward, 'response')) as [IncomingMessage];
    const kept = Object.entries(answer.headers).filter(([name]) => !NOT_FORWARDED.has(name));
    response.writeHead(answer.statusCode ?? 502, Object.fromEntries(kept));
    answer.pipe(response);
    answer.once('error', () => response.destroy());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = once(this.#server, 'close');
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
    await closed;
    await this.#folder?.[Symbol.asyncDispose]();
  }
}

function apiKey(id: string, key: string) {
  return { id, key, encoded: Buffer.from(`${id}:${key}`).toString('base64') };
}

function awsAccess(aws: FrontOptions['aws']): AwsAccess {
  return {
    accessKeyId: `AKIA${secret().toUpperCase()}`,
    secretAccessKey: `${secret()}/+${secret()}`,
    sessionToken: aws?.sessionToken,
    region: aws?.region ?? 'eu-central-1',
    service: aws?.service ?? 'es',
  };
}

async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}
