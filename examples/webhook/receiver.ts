/*
 * A receiver of webhooks: checks the signature over the very bytes that came, leaves out what it has seen, and keeps the
 * newest state of each document. Needs nothing but Node: SIGNING_KEY=whsec_… node examples/webhook/receiver.ts
 */
import { createHmac, timingSafeEqual } from 'node:crypto';
import { createServer, type IncomingMessage } from 'node:http';
import { buffer } from 'node:stream/consumers';

const PORT = Number(process.env['PORT'] ?? 8080);
const SECRET = Buffer.from((process.env['SIGNING_KEY'] ?? '').replace(/^whsec_/, ''), 'base64');
/** A request that somebody sends again later is refused; clocks may differ by this much. */
const TOLERANCE_S = 300;

/** One of the `events` in a body. */
interface Change {
  readonly id: string;
  readonly op: string;
  readonly ns: string;
  /** `seconds,increment,ordinal`: larger is newer. */
  readonly version: string;
  readonly key: unknown;
  /** The document; null for a delete. */
  readonly value: unknown;
}

/** A service has these in its database, and changes both in one transaction. */
const seen = new Set<string>();
const newest = new Map<string, Change>();

if (SECRET.length === 0) throw new Error('SIGNING_KEY is not set');
const server = createServer((request, response) => {
  answer(request).then(
    (status) => response.writeHead(status).end(),
    // Whatever it was, the events come again.
    () => response.writeHead(500).end(),
  );
});
server.listen(PORT, '127.0.0.1', () => print(`listening on port ${PORT}`));

async function answer(request: IncomingMessage): Promise<number> {
  const body = await buffer(request);
  if (!isSigned(request, body)) return 401;
  const { events } = JSON.parse(body.toString()) as { readonly events: readonly Change[] };
  for (const change of events) take(change);
  return 204;
}

function isSigned({ headers }: IncomingMessage, body: Buffer): boolean {
  const { 'webhook-id': id, 'webhook-timestamp': timestamp, 'webhook-signature': signatures } = headers;
  const apart = Math.abs(Date.now() / 1000 - Number(timestamp));
  if (!(apart <= TOLERANCE_S)) return false;
  const expected = createHmac('sha256', SECRET)
    .update(`${String(id)}.${String(timestamp)}.`)
    .update(body)
    .digest();
  // While keys are changed over there is one signature for each of them.
  return String(signatures)
    .split(' ')
    .some((signature) => {
      const [version, text = ''] = signature.split(',');
      const given = Buffer.from(text, 'base64');
      return version === 'v1' && given.length === expected.length && timingSafeEqual(given, expected);
    });
}

function take(change: Change): void {
  const { id, op, ns, key, value } = change;
  if (seen.has(id)) return;
  const document = `${ns} ${JSON.stringify(key)}`;
  const known = newest.get(document);
  // A replay brings older states; deletes are kept too, so that nothing brings the document back.
  if (known === undefined || isNewer(change.version, known.version)) newest.set(document, change);
  seen.add(id);
  print(`${op} ${document} ${JSON.stringify(value)}`);
}

function isNewer(version: string, than: string): boolean {
  const parts = version.split(',').map(Number);
  const others = than.split(',').map(Number);
  const at = parts.findIndex((part, index) => part !== others[index]);
  return at >= 0 && (parts[at] ?? 0) > (others[at] ?? 0);
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}
