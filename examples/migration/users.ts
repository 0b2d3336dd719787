import { setTimeout as delay } from 'node:timers/promises';
import type { Collection, Db, ObjectId, Timestamp } from 'mongodb';

/** A document of `test.users`. */
export interface User {
  _id: ObjectId;
  name: string;
  email: string;
  age: number;
  city: string;
  joined: Date;
  sex?: string;
  visits?: number;
}

/** A user before MongoDB gives it an `_id`. */
export type NewUser = Omit<User, '_id'>;

const NAMES = ['Ada', 'Bo', 'Chandra', 'Dagny', 'Emil', 'Farida', 'Goro', 'Hedda', 'Ines', 'Jonas'];
const CITIES = ['Aarhus', 'Bologna', 'Cusco', 'Dakar', 'Espoo'];
const FIRST_JOINED = Date.parse('2024-01-01T00:00:00Z');
const DAY_MS = 86_400_000;

/** The user with this number. */
export function userNumber(index: number): NewUser {
  const name = NAMES[index % NAMES.length] as string;
  return {
    name: `${name} ${index}`,
    email: `${name.toLowerCase()}.${index}@example.com`,
    age: 18 + ((index * 7) % 60),
    city: CITIES[index % CITIES.length] as string,
    joined: new Date(FIRST_JOINED + index * DAY_MS),
  };
}

/** How many writes of each kind there were. */
export interface Writes {
  inserts: number;
  updates: number;
  deletes: number;
}

const PAUSE_MS = 5;

/** Changes users as an application would, until the signal aborts: updates mostly, some inserts, few deletes. */
export async function writeUntil(users: Collection<NewUser>, signal: AbortSignal): Promise<Writes> {
  const ids = (await users.find({}, { projection: { _id: 1 } }).toArray()).map(({ _id }) => _id);
  const writes: Writes = { inserts: 0, updates: 0, deletes: 0 };
  for (let turn = 0; !signal.aborted; turn++) {
    const id = ids[(turn * 31) % ids.length];
    if (turn % 10 === 9) {
      await users.deleteOne({ _id: ids.shift() as ObjectId });
      writes.deletes += 1;
    } else if (turn % 10 === 4 || turn % 10 === 8) {
      const { insertedId } = await users.insertOne({ ...userNumber(1000 + turn), sex: turn % 3 === 0 ? 'm' : 'f' });
      ids.push(insertedId);
      writes.inserts += 1;
    } else {
      const city = CITIES[turn % CITIES.length] as string;
      await users.updateOne({ _id: id as ObjectId }, { $set: { city }, $inc: { age: 1, visits: 1 } });
      writes.updates += 1;
    }
    await delay(PAUSE_MS);
  }
  return writes;
}

/** The cluster time of the last write. */
export async function writtenUntil(database: Db): Promise<{ readonly t: number; readonly i: number }> {
  const { operationTime } = (await database.command({ ping: 1 })) as { readonly operationTime: Timestamp };
  return { t: operationTime.t, i: operationTime.i };
}
