import { once } from 'node:events';
import { connect, createServer, type ListenOptions, type Server } from 'node:net';

/** Below the range from which systems take ports for outgoing connections: a stopped server finds its port free. */
const FIRST_PORT = 12_000;
const LAST_PORT = 31_999;
const ATTEMPTS = 100;

/**
 * `count` different ports on 127.0.0.1 on which nobody listens now. Each is given out once while this process lives, to
 * this and all other processes: also a server that is stopped, or not started yet, keeps its port. (Not so on systems
 * without names like those of Linux for sockets: there only luck keeps two processes apart.)
 */
export async function freePorts(count: number): Promise<number[]> {
  const ports: number[] = [];
  for (let attempt = 0; ports.length < count; attempt++) {
    if (attempt >= ATTEMPTS * count) throw new Error(`no ${count} free ports between ${FIRST_PORT} and ${LAST_PORT}`);
    const port = FIRST_PORT + Math.floor(Math.random() * (LAST_PORT - FIRST_PORT + 1));
    if (!ports.includes(port) && (await isFree(port)) && (await reserve(port))) ports.push(port);
  }
  return ports;
}

async function isFree(port: number): Promise<boolean> {
  const server = await listen({ port, host: '127.0.0.1' });
  server?.close();
  return server !== undefined;
}

/** The kernel lets one process have the name, and frees it when that process is gone, however it went. */
async function reserve(port: number): Promise<boolean> {
  if (process.platform !== 'linux') return true;
  const holder = await listen({ path: `\0sluice-test-port-${port}` });
  holder?.unref();
  return holder !== undefined;
}

/** A server that listens there; undefined when it cannot. */
async function listen(where: ListenOptions): Promise<Server | undefined> {
  const server = createServer();
  try {
    server.listen(where);
    await once(server, 'listening');
    return server;
  } catch {
    return undefined;
  }
}

/** True when something accepts connections on 127.0.0.1:`port`. */
export async function acceptsConnections(port: number): Promise<boolean> {
  const socket = connect({ port, host: '127.0.0.1' });
  try {
    await once(socket, 'connect');
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}
