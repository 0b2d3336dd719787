import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

/** A TCP connection between a client and a server that can be made bad. Connections are passed on as they are. */
export interface TcpProxy extends AsyncDisposable {
  /** Where clients connect: `127.0.0.1:port`. */
  readonly address: string;
  readonly port: number;
  /** How many connections are open now. */
  readonly connections: number;
  /** Bytes that were sent and have not been passed on. At 1 MiB in one direction of a connection the sender is stopped. */
  readonly heldBytes: number;
  /** Delay of each piece of data in each direction, in ms; order is kept. */
  setLatency(latencyMs: number): void;
  /** From now on nothing passes in either direction, and nobody is told: what a broken network looks like. */
  blackhole(): void;
  /** Lets everything pass again, also what was held back. */
  heal(): void;
  /** Resets all open connections; new ones are accepted. */
  cut(): void;
}

/** So much data per direction is held back before the sender is stopped. */
const HELD_BYTES = 1024 * 1024;

/** Starts a proxy on a free loopback port in front of 127.0.0.1:`port`. */
export async function startTcpProxy(port: number): Promise<TcpProxy> {
  const network = new Network();
  const server = createServer({ allowHalfOpen: true }, (client) =>
    network.join(client, connect({ port, host: '127.0.0.1', allowHalfOpen: true })),
  );
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const own = (server.address() as AddressInfo).port;
  return {
    address: `127.0.0.1:${own}`,
    port: own,
    get connections() {
      return network.connections;
    },
    get heldBytes() {
      return network.heldBytes;
    },
    setLatency: (latencyMs) => network.setLatency(latencyMs),
    blackhole: () => network.open(false),
    heal: () => network.open(true),
    cut: () => network.cut(),
    [Symbol.asyncDispose]: () => close(server, network),
  };
}

async function close(server: Server, network: Network): Promise<void> {
  const closed = once(server, 'close');
  server.close();
  network.cut();
  await closed;
}

class Network {
  readonly #pairs = new Set<readonly [Socket, Socket]>();
  readonly #flows = new Set<Flow>();
  #latencyMs = 0;
  #open = true;

  get connections(): number {
    return this.#pairs.size;
  }

  get heldBytes(): number {
    return [...this.#flows].reduce((bytes, flow) => bytes + flow.heldBytes, 0);
  }

  setLatency(latencyMs: number): void {
    this.#latencyMs = latencyMs;
  }

  open(open: boolean): void {
    this.#open = open;
    for (const flow of this.#flows) flow.pump();
  }

  cut(): void {
    for (const pair of this.#pairs) for (const socket of pair) reset(socket);
  }

  join(client: Socket, upstream: Socket): void {
    const pair = [client, upstream] as const;
    this.#pairs.add(pair);
    const state = { latencyMs: () => this.#latencyMs, open: () => this.#open };
    const flows = [new Flow(client, upstream, state), new Flow(upstream, client, state)];
    for (const flow of flows) this.#flows.add(flow);
    for (const socket of pair) {
      socket.setNoDelay(true);
      socket.on('error', () => undefined);
      socket.once('close', (broken) => {
        if (broken) for (const other of pair) reset(other);
        if (!pair.every((other) => other.closed)) return;
        for (const flow of flows) this.#flows.delete(flow);
        this.#pairs.delete(pair);
      });
    }
  }
}

/** A socket that is reset while its end is on the way keeps Node (24.21) from ever exiting, so that one is only closed. */
function reset(socket: Socket): void {
  if (socket.writableEnded) socket.destroy();
  else socket.resetAndDestroy();
}

interface NetworkState {
  latencyMs(): number;
  open(): boolean;
}

/** One direction of one connection: a queue of pieces, each with the time from which it may pass. */
class Flow {
  readonly #from: Socket;
  readonly #to: Socket;
  readonly #state: NetworkState;
  readonly #queue: { readonly chunk: Buffer | undefined; readonly due: number }[] = [];
  #heldBytes = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(from: Socket, to: Socket, state: NetworkState) {
    this.#from = from;
    this.#to = to;
    this.#state = state;
    from.on('data', (chunk: Buffer) => this.#take(chunk));
    from.once('end', () => this.#take(undefined));
    to.on('drain', () => this.pump());
  }

  get heldBytes(): number {
    return this.#heldBytes;
  }

  /** Passes on what is due. */
  pump(): void {
    clearTimeout(this.#timer);
    while (this.#state.open() && !this.#to.writableNeedDrain && !this.#to.destroyed) {
      const next = this.#queue[0];
      if (next === undefined) break;
      const wait = next.due - performance.now();
      if (wait > 0) {
        this.#timer = setTimeout(() => this.pump(), wait);
        break;
      }
      this.#queue.shift();
      if (next.chunk === undefined) this.#to.end();
      else {
        this.#heldBytes -= next.chunk.length;
        this.#to.write(next.chunk);
      }
    }
    if (this.#heldBytes < HELD_BYTES) this.#from.resume();
  }

  #take(chunk: Buffer | undefined): void {
    this.#queue.push({ chunk, due: performance.now() + this.#state.latencyMs() });
    this.#heldBytes += chunk?.length ?? 0;
    if (this.#heldBytes >= HELD_BYTES) this.#from.pause();
    this.pump();
  }
}
