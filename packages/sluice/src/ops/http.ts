import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { createAdaptorServer, type ServerType } from '@hono/node-server';
import { Hono, type MiddlewareHandler } from 'hono';
import { isLoopback } from '../config/listen-address.ts';
import { SluiceError } from '../core/failure.ts';
import type { Logger } from '../core/logger.ts';
import type { PipelineStatus } from '../core/status.ts';
import { carriesToken, isLocalHostHeader } from './access.ts';
import { refuse, withPipeline } from './answers.ts';
import type { MetricsRegistry } from './metrics.ts';
import { ownership, pipelineReadiness } from './readiness.ts';
import { addSchemaRoutes, type SchemaControl } from './schema-routes.ts';
import { addSnapshotRoutes, type SnapshotControl } from './snapshot-routes.ts';

/** The answer to `/healthz`. */
export interface HealthReport {
  readonly status: 'UP' | 'DOWN';
  readonly components: Readonly<Record<string, { readonly status: 'UP' | 'DOWN' }>>;
}

/** What the endpoint serves, and where. */
export interface HttpOptions {
  readonly host: string;
  /** 0 takes a free port. */
  readonly port: number;
  /** Bearer token that every request but `/livez` must carry; required when the host is not loopback. */
  readonly token?: string | undefined;
  readonly pipelines: () => readonly PipelineStatus[];
  /** Answers `/healthz` at the moment `nowMs`; a component for each pipeline when left out. */
  readonly health?: ((statuses: readonly PipelineStatus[], nowMs: number) => HealthReport) | undefined;
  /** Carries out commands to the snapshots of the pipelines. */
  readonly control: SnapshotControl;
  /** What the pipelines have learned of the schemas; absent where none does. */
  readonly schemas?: SchemaControl | undefined;
  readonly metrics: MetricsRegistry;
  readonly logger: Logger;
}

/** The running endpoint; disposing it closes the port and every connection. */
export interface HttpEndpoint extends AsyncDisposable {
  readonly url: string;
}

const REQUEST_TIMEOUT_MS = 10_000;
const SECURITY_HEADERS = {
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
  'x-content-type-options': 'nosniff',
  'cache-control': 'no-store',
};

/** Starts the endpoint. Rejects with a `config` error when the address is taken or may not be used. */
export async function startHttp(options: HttpOptions): Promise<HttpEndpoint> {
  const { host, port, token } = options;
  if (!isLoopback(host) && token === undefined) {
    throw new SluiceError(`${host} can be reached by other machines, so the HTTP endpoint needs a token`, {
      kind: 'config',
      code: 'http.token-required',
      hint: 'Set http.token, or listen on 127.0.0.1.',
    });
  }
  const server = createAdaptorServer({
    fetch: createApp(options).fetch,
    serverOptions: { requestTimeout: REQUEST_TIMEOUT_MS, headersTimeout: REQUEST_TIMEOUT_MS, maxHeaderSize: 16_384 },
  });
  await listen(server, host, port);
  const address = server.address() as AddressInfo;
  const url = `http://${address.family === 'IPv6' ? `[${address.address}]` : address.address}:${address.port}`;
  options.logger.info({ url }, 'http endpoint listening');
  return {
    url,
    async [Symbol.asyncDispose]() {
      const closed = once(server, 'close');
      server.close();
      if ('closeAllConnections' in server) server.closeAllConnections();
      await closed;
    },
  };
}

async function listen(server: ServerType, host: string, port: number): Promise<void> {
  const listening = once(server, 'listening');
  server.listen({ host, port });
  try {
    await listening;
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code;
    const why = code === 'EADDRINUSE' ? 'the address is in use' : `the system says ${code}`;
    throw new SluiceError(`the HTTP endpoint cannot listen on ${host}:${port}: ${why}`, {
      kind: 'config',
      code: 'http.listen',
      hint: 'Set http.listen to a free address, or to port 0 for any free port.',
      cause,
    });
  }
}

/** The routes, without a socket. */
export function createApp(options: HttpOptions): Hono {
  const { pipelines, metrics, health = pipelineHealth } = options;
  const app = new Hono();
  app.use(guard(options));
  app.get('/livez', (c) => c.json({ status: 'UP' }));
  app.get('/readyz', (c) => {
    const readiness = pipelines().map((status) => pipelineReadiness(status, Date.now()));
    const ready = readiness.every((one) => one.ready);
    return c.json({ status: ready ? 'UP' : 'DOWN', pipelines: readiness }, ready ? 200 : 503);
  });
  app.get('/healthz', (c) => {
    const report = health(pipelines(), Date.now());
    return c.json(report, report.status === 'UP' ? 200 : 503);
  });
  app.get('/metrics', async (c) =>
    c.text(await metrics.render(pipelines()), 200, { 'content-type': metrics.contentType }),
  );
  app.get('/api/pipelines', (c) => c.json({ pipelines: pipelines() }));
  app.get('/api/pipelines/:name', (c) => withPipeline(c, pipelines(), (status) => c.json(status)));
  app.get('/api/pipelines/:name/health', (c) =>
    withPipeline(c, pipelines(), (status) => {
      const health = component(status);
      return c.json(health, health.status === 'UP' ? 200 : 503);
    }),
  );
  addSnapshotRoutes(app, options);
  addSchemaRoutes(app, options);
  app.notFound((c) => refuse(c, { status: 404, code: 'http.not-found', message: `there is no ${c.req.path}` }));
  app.onError((error, c) => {
    options.logger.error({ error: error.message, path: c.req.path }, 'http request failed');
    return refuse(c, { status: 500, code: 'http.internal', message: 'the request failed; see the log' });
  });
  return app;
}

function pipelineHealth(statuses: readonly PipelineStatus[]): HealthReport {
  const components = Object.fromEntries(statuses.map((status) => [status.name, component(status)]));
  const up = Object.values(components).every(({ status }) => status === 'UP');
  return { status: up ? 'UP' : 'DOWN', components };
}

function component(status: PipelineStatus) {
  const { ready, reason } = pipelineReadiness(status, Date.now());
  return {
    status: ready ? ('UP' as const) : ('DOWN' as const),
    state: status.state,
    ...(ready ? {} : { reason }),
    ...ownership(status),
  };
}

function guard({ host, token }: HttpOptions): MiddlewareHandler {
  return async (c, next) => {
    for (const [name, value] of Object.entries(SECURITY_HEADERS)) c.header(name, value);
    if (isLoopback(host) && !isLocalHostHeader(c.req.header('host'))) {
      const message = 'the Host header does not name this machine';
      return refuse(c, { status: 403, code: 'http.foreign-host', message });
    }
    if (token !== undefined && c.req.path !== '/livez' && !carriesToken(c.req.header('authorization'), token)) {
      c.header('www-authenticate', 'Bearer');
      return refuse(c, { status: 401, code: 'http.unauthorized', message: 'a bearer token is required' });
    }
    return next();
  };
}
