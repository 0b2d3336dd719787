import type { Document, MongoClient } from 'mongodb';
import { runCommand } from '../client.ts';
import type { MongoPhase } from '../error-rules.ts';

/** What the user of a connection may do. */
export class Privileges {
  readonly #granted: readonly Document[];
  /** The server does not ask who somebody is, so that everybody may do everything. */
  readonly isAnonymous: boolean;

  private constructor(granted: readonly Document[], isAnonymous: boolean) {
    this.#granted = granted;
    this.isAnonymous = isAnonymous;
  }

  /** Asks the server. Throws classified errors of the phase. */
  static async read(
    client: MongoClient,
    { phase, signal }: { phase: MongoPhase; signal: AbortSignal },
  ): Promise<Privileges> {
    const context = { client, phase, doing: 'ask for the privileges of the user', signal };
    const reply = await runCommand(context, 'admin', { connectionStatus: 1, showPrivileges: true });
    const info = reply['authInfo'] as Document;
    const users = info['authenticatedUsers'] as readonly unknown[];
    return new Privileges(info['authenticatedUserPrivileges'] as readonly Document[], users.length === 0);
  }

  /** Whether the user may do all of this in all collections of a database; the empty name stands for any database. */
  allows(actions: readonly string[], database: string): boolean {
    if (this.isAnonymous) return true;
    return actions.every((action) =>
      this.#granted.some(({ resource, actions: granted }) => {
        const covers = resource.anyResource === true || (covered(resource.db, database) && resource.collection === '');
        return covers && (granted as readonly string[]).includes(action);
      }),
    );
  }
}

function covered(granted: unknown, database: string): boolean {
  return granted === '' || granted === database;
}
