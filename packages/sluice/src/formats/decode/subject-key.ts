import type { BrokerMessage } from '../../core/broker-message.ts';
import type { SluiceHeaders } from './message-headers.ts';

/** A token that was too long ends in a hash of the whole. */
const CAPPED = /~[0-9a-f]{32}$/;
const OBJECT_ID = /^[0-9a-f]{24}$/;
/** A key of several fields. */
const WHOLE_KEY = '~';
const NO_KEY = '_';
/** Text that stands for itself never looks like this. */
const JSON_VALUE = /^[0-9[{"-]/;

/**
 * The key that the JetStream sink wrote into the subject, as the JSON that the Kafka sink has for a key: messages of
 * JetStream have none. Undefined when the message has a key, is not of this program, or its subject does not end in
 * the collection and the key, as by default.
 */
export function keyInSubject(message: BrokerMessage, headers: SluiceHeaders | undefined): Uint8Array | undefined {
  if (message.key !== null || headers === undefined) return undefined;
  const [collection, token] = message.topic.split('.').slice(-2);
  if (collection === undefined || token === undefined || token === NO_KEY || CAPPED.test(token)) return undefined;
  if (decoded(collection) !== headers.namespace.coll) return undefined;
  if (token.startsWith(WHOLE_KEY)) return bytesOf(decoded(token.slice(1)));
  if (OBJECT_ID.test(token)) return bytesOf(`{"_id":{"$oid":"${token}"}}`);
  const text = decoded(token);
  if (text === undefined) return undefined;
  return bytesOf(`{"_id":${JSON_VALUE.test(text) ? text : quoted(text)}}`);
}

/** These words are only written bare when they are values; as texts they have quotes. */
function quoted(text: string): string {
  return text === 'true' || text === 'false' || text === 'null' ? text : JSON.stringify(text);
}

function decoded(token: string): string | undefined {
  try {
    return decodeURIComponent(token);
  } catch {
    return undefined;
  }
}

function bytesOf(json: string | undefined): Uint8Array | undefined {
  return json === undefined ? undefined : Buffer.from(json);
}
