import { readFile } from 'node:fs/promises';
import { createServer, type IncomingHttpHeaders, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import type { Certificates } from './certificates.ts';

/** A request as the endpoint got it. */
export interface SeenRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
  /** The status that it was answered with; undefined for none. */
  readonly status: number | undefined;
}

/**
 * How the endpoint answers one request: a status, a status with headers and body, no answer at all (`hang`), a closed connection
 * (`reset`), or whatever the function does with the response.
 */
export type EndpointAnswer =
  | number
  | 'hang'
  | 'reset'
  | { readonly status: number; readonly headers?: Readonly<Record<string, string>>; readonly body?: string }
  | ((response: ServerResponse) => void);

/** Chooses the answer to a request. */
export type Answering = (request: Omit<SeenRequest, 'status'>) => EndpointAnswer;

/** An HTTP server that answers as it is told and remembers what it got. */
export class HttpEndpoint implements AsyncDisposable {
  readonly origin: string;
  /** Every request, whatever the answer was, in the order of their arrival. */
  readonly requests: SeenRequest[] = [];
  /** Requests that are being answered at the moment, and most of them at a time. */
  open = 0;
  mostOpen = 0;
  /** Connections that were accepted. */
  connections = 0;
  /** Answers to the next requests; after them `answering` is asked. */
  readonly next: EndpointAnswer[] = [];
  answering: Answering = () => 204;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(server: Server, origin: string) {
    this.#server = server;
    this.origin = origin;
  }

  /** Starts one on a free port of the loopback address; with TLS when there are certificates. */
  static async start(tls?: Certificates): Promise<HttpEndpoint> {
    const pem = tls === undefined ? undefined : await readFile(tls.serverFile);
    const server = pem === undefined ? createServer() : createTlsServer({ key: pem, cert: pem });
    // After the usual 5 s a request could meet the end of its connection.
    server.keepAliveTimeout = 600_000;
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    const endpoint = new HttpEndpoint(server, `${tls === undefined ? 'http' : 'https'}://127.0.0.1:${port}`);
    endpoint.#listen();
    return endpoint;
  }

  /** The port it listens on. */
  get port(): number {
    return Number(new URL(this.origin).port);
  }

  /** Requests that were answered with success. */
  get taken(): readonly SeenRequest[] {
    return this.requests.filter(({ status = 0 }) => status >= 200 && status < 300);
  }

  #listen(): void {
    this.#server.on('connection', (socket: Socket) => {
      this.connections += 1;
      this.#sockets.add(socket);
      socket.once('close', () => this.#sockets.delete(socket));
    });
    this.#server.on('request', (request, response) => {
      this.open += 1;
      this.mostOpen = Math.max(this.mostOpen, this.open);
      response.once('close', () => {
        this.open -= 1;
      });
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        const { method = '', url = '', headers } = request;
        this.#answer({ method, path: url, headers, body: Buffer.concat(chunks) }, response);
      });
    });
  }

  #answer(request: Omit<SeenRequest, 'status'>, response: ServerResponse): void {
    const answer = this.next.shift() ?? this.answering(request);
    const status = typeof answer === 'object' ? answer.status : typeof answer === 'number' ? answer : undefined;
    this.requests.push({ ...request, status });
    if (answer === 'hang') return;
    if (answer === 'reset') response.destroy();
    else if (typeof answer === 'function') answer(response);
    else if (typeof answer === 'number') response.writeHead(answer).end();
    else response.writeHead(answer.status, answer.headers).end(answer.body);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }
}
