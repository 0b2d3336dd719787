import { type Document, MongoServerError } from 'mongodb';
import { waitFor } from '../wait-for.ts';
import type { MongoCredentials, MongoMember, MongoServer } from './mongo.ts';
import { withMongo } from './mongo-member.ts';

const ELECTION_LIMIT_MS = 120_000;
/** The member is not primary, or just ceases to be it. */
const NOT_PRIMARY = new Set([189, 10_107, 11_602, 13_435]);

/** A user to create, with exactly the rights a test gives it. */
export interface MongoUser extends MongoCredentials {
  /** Rights of a role that is made for this user alone, as `createRole` takes them. */
  readonly privileges?: readonly Document[];
  /** Roles that exist already, as `createUser` takes them. */
  readonly roles?: readonly (string | Document)[];
}

/** Creates a user in `admin` (server with `auth`) and returns the URI with which it logs in. */
export async function createMongoUser(server: MongoServer, user: MongoUser): Promise<string> {
  const roles: (string | Document)[] = [...(user.roles ?? [])];
  await withMongo(server.uri, async (client) => {
    const admin = client.db('admin');
    const writeConcern = { w: 'majority' };
    if (user.privileges !== undefined) {
      const role = `role-of-${user.user}`;
      await admin.command({ createRole: role, privileges: [...user.privileges], roles: [], writeConcern });
      roles.push(role);
    }
    await admin.command({ createUser: user.user, pwd: user.password, roles, writeConcern });
  });
  return server.uriFor(user);
}

/** Changes the password of a user; present connections of that user go on, new logins need the new one. */
export async function setMongoPassword(server: MongoServer, user: MongoCredentials): Promise<void> {
  await withMongo(server.uri, (client) =>
    client.db('admin').command({ updateUser: user.user, pwd: user.password, writeConcern: { w: 'majority' } }),
  );
}

/** The member that is primary now; waits for an election to end. */
export async function primaryOf(server: MongoServer): Promise<MongoMember> {
  return waitFor(
    async () => {
      for (const member of server.members) {
        if (await isPrimary(member)) return member;
      }
      return undefined;
    },
    { timeoutMs: ELECTION_LIMIT_MS, intervalMs: 100, message: 'the replica set has a primary' },
  );
}

async function isPrimary(member: MongoMember): Promise<boolean> {
  const limits = { serverSelectionTimeoutMS: 2_000, connectTimeoutMS: 2_000, socketTimeoutMS: 5_000 };
  const ask = withMongo(member.uri, (client) => client.db('admin').command({ hello: 1 }), limits);
  return ask.then(
    (hello) => hello['isWritablePrimary'] === true,
    () => false,
  );
}

/** Makes the primary step down for `seconds` and waits until the set has a primary again, possibly the same. */
export async function stepDown(server: MongoServer, seconds = 5): Promise<MongoMember> {
  const before = await primaryOf(server);
  await withMongo(before.uri, (client) =>
    client.db('admin').command({ replSetStepDown: seconds, secondaryCatchUpPeriodSecs: 2, force: true }),
  ).catch((error: unknown) => {
    // It may have stepped down by itself meanwhile: a busy machine is enough for an election.
    if (!(error instanceof MongoServerError) || !NOT_PRIMARY.has(Number(error.code))) throw error;
  });
  return primaryOf(server);
}

/** What a `failCommand` fail point does; see the server's documentation of the same names. */
export interface CommandFailure {
  readonly failCommands: readonly string[];
  readonly errorCode?: number;
  readonly errorLabels?: readonly string[];
  readonly closeConnection?: boolean;
  /** Only for clients with this application name: needed on a server that others use too. */
  readonly appName?: string;
}

/**
 * Makes the server fail commands: `times` of them, or until the returned object is disposed. `uri` must reach the
 * member in question. One fail point per server at a time.
 */
export async function failCommands(uri: string, failure: CommandFailure, times?: number): Promise<AsyncDisposable> {
  const mode = times === undefined ? 'alwaysOn' : { times };
  const set = (command: Document) => withMongo(uri, (client) => client.db('admin').command(command));
  await set({ configureFailPoint: 'failCommand', mode, data: failure });
  return {
    async [Symbol.asyncDispose]() {
      await set({ configureFailPoint: 'failCommand', mode: 'off' });
    },
  };
}
