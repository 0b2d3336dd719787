import { once } from 'node:events';
import { connect } from 'node:net';
import { BSON } from 'mongodb';

const OP_MSG = 2013;
const HEADER_BYTES = 21;

/** Sends bytes as an OP_MSG of our own making, for commands that the driver would not send; returns the reply. */
export async function sendRawCommand(uri: string, body: Uint8Array): Promise<Record<string, unknown>> {
  return BSON.deserialize(await rawReply(uri, body));
}

/** The same with the reply as its bytes, for replies that the library cannot read. */
export async function rawReply(uri: string, body: Uint8Array): Promise<Buffer> {
  const { hostname, port } = new URL(uri);
  const socket = connect(Number(port), hostname);
  try {
    await once(socket, 'connect');
    const header = Buffer.alloc(HEADER_BYTES);
    header.writeInt32LE(HEADER_BYTES + body.length, 0);
    header.writeInt32LE(1, 4);
    header.writeInt32LE(OP_MSG, 12);
    socket.write(Buffer.concat([header, body]));
    let answer = Buffer.alloc(0);
    for await (const chunk of socket) {
      answer = Buffer.concat([answer, chunk as Buffer]);
      if (answer.length >= 4 && answer.length >= answer.readInt32LE(0)) break;
    }
    return answer.subarray(HEADER_BYTES);
  } finally {
    socket.destroy();
  }
}

/** A BSON document in which the bytes of a text are replaced by others of the same length. */
export function serializeWithBytes(document: object, text: string, bytes: readonly number[]): Buffer {
  const raw = Buffer.from(BSON.serialize(document));
  const at = raw.indexOf(text);
  if (at < 0 || text.length !== bytes.length) throw new Error(`"${text}" cannot be replaced`);
  raw.set(bytes, at);
  return raw;
}
