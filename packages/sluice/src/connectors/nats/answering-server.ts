import { connect } from 'node:net';
import { errors } from '@nats-io/transport-node';

const DEFAULT_PORT = 4222;

/**
 * The first of the servers that says something to a new connection (with `silent`: that accepts one). The library never
 * closes a connection on which a server says nothing (measured with 3.4.0: a paused server), so it must not meet one.
 * Rejects with what was wrong with the first server when none answers in time, or with the reason of the abort.
 */
export async function answeringServer(
  servers: readonly string[],
  options: { readonly silent: boolean; readonly timeoutMs: number; readonly signal: AbortSignal },
): Promise<string> {
  const decided = new AbortController();
  const ends = AbortSignal.any([options.signal, decided.signal]);
  try {
    return await Promise.any(servers.map((server) => answers(server, { ...options, signal: ends })));
  } catch (error) {
    options.signal.throwIfAborted();
    throw error instanceof AggregateError ? error.errors[0] : error;
  } finally {
    decided.abort();
  }
}

async function answers(
  server: string,
  { silent, timeoutMs, signal }: { silent: boolean; timeoutMs: number; signal: AbortSignal },
): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const { host, port } = addressOf(server);
  const socket = connect({ host, port });
  const abort = () => reject(signal.reason as Error);
  signal.addEventListener('abort', abort, { once: true });
  socket.setTimeout(timeoutMs, () => reject(new errors.TimeoutError()));
  socket.once(silent ? 'connect' : 'data', () => resolve(server));
  socket.once('error', reject);
  socket.once('close', () => reject(new errors.ClosedConnectionError()));
  try {
    return await promise;
  } finally {
    signal.removeEventListener('abort', abort);
    socket.on('error', () => undefined).destroy();
  }
}

function addressOf(server: string): { readonly host: string; readonly port: number } {
  const [, host = '', port] = /^(?:\w+:\/\/)?\[?(.*?)\]?(?::(\d+))?\/?$/.exec(server) ?? [];
  return { host, port: port === undefined ? DEFAULT_PORT : Number(port) };
}
