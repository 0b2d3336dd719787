import { deserialize } from 'bson';
import { type ClientSession, type Document, type MongoClient, MongoServerError } from 'mongodb';
import { SluiceError } from '../../../core/failure.ts';
import { classify } from '../classify.ts';
import { noAnswer } from '../client.ts';
import type { MongodbSinkConfig } from './config.ts';
import type { TargetCollection } from './name-template.ts';
import { inCommands, type RawStatement, rawSequence } from './raw-sequence.ts';
import type { BypassesValidation } from './validation.ts';

/** How much longer than the members of the write concern an answer may take. */
const ANSWER_MARGIN_MS = 30_000;

/** A statement that the server refused. */
export interface ItemError {
  /** Its place among the statements. */
  readonly index: number;
  readonly error: MongoServerError;
}

/** The answer to statements. */
export interface Written {
  /** Documents that were inserted, matched or removed. */
  readonly count: number;
  readonly errors: readonly ItemError[];
}

/** With what one write is made. */
export interface WriteScope {
  readonly signal: AbortSignal;
  /** The transaction that it is part of. */
  readonly session?: ClientSession | undefined;
  /** Throws when somebody else may write by now; asked before each command. */
  readonly ensureOwned?: (() => void) | undefined;
}

/**
 * Sends statements that are BSON already. What the server has against single statements is in the answer; everything
 * else is thrown, classified in the phase `write`. Nothing is repeated here.
 */
export class TargetWriter {
  readonly #client: MongoClient;
  readonly #writeConcern: Document;
  readonly #limitMs: number;
  readonly #bypasses: BypassesValidation;

  /** Validators count unless `bypasses` says otherwise. */
  constructor(
    client: MongoClient,
    { w, timeout }: MongodbSinkConfig['writeConcern'],
    bypasses: BypassesValidation = () => false,
  ) {
    this.#client = client;
    this.#bypasses = bypasses;
    this.#writeConcern = { w, wtimeout: timeout };
    this.#limitMs = timeout + ANSWER_MARGIN_MS;
  }

  /** Inserts documents; all that can be. In a transaction up to the first that cannot. */
  insert(target: TargetCollection, documents: readonly RawStatement[], scope: WriteScope): Promise<Written> {
    return this.#send(target, { name: 'insert', field: 'documents', ordered: false }, documents, scope);
  }

  /** Updates and upserts; with `ordered` one after the other up to the first that is refused. */
  update(
    target: TargetCollection,
    updates: readonly RawStatement[],
    { ordered, ...scope }: WriteScope & { readonly ordered: boolean },
  ): Promise<Written> {
    return this.#send(target, { name: 'update', field: 'updates', ordered }, updates, scope);
  }

  delete(target: TargetCollection, deletes: readonly RawStatement[], scope: WriteScope): Promise<Written> {
    return this.#send(target, { name: 'delete', field: 'deletes', ordered: false }, deletes, scope);
  }

  /** Runs another command on the target; its failure is classified. Nested documents of the answer are raw. */
  async command(db: string, command: Document, doing: string, scope: WriteScope): Promise<Document> {
    const { signal, session } = scope;
    signal.throwIfAborted();
    scope.ensureOwned?.();
    const limit = AbortSignal.timeout(this.#limitMs);
    try {
      const options = { raw: true, readPreference: 'primary', signal: AbortSignal.any([signal, limit]) } as const;
      return await this.#client.db(db).command(command, session === undefined ? options : { ...options, session });
    } catch (error) {
      if (signal.aborted) throw signal.reason;
      if (limit.aborted) throw noAnswer(doing);
      throw ofWholeCommand(classify(error, 'write', doing));
    }
  }

  async #send(
    target: TargetCollection,
    kind: { readonly name: string; readonly field: string; readonly ordered: boolean },
    statements: readonly RawStatement[],
    scope: WriteScope,
  ): Promise<Written> {
    const doing = `write to ${target.name}`;
    const bypasses = kind.name !== 'delete' && this.#bypasses(target.db);
    const ordered = kind.ordered || scope.session !== undefined;
    const errors: ItemError[] = [];
    let count = 0;
    let start = 0;
    for (const part of inCommands(statements)) {
      const command: Document = {
        [kind.name]: target.coll,
        ordered,
        ...(bypasses ? { bypassDocumentValidation: true } : {}),
        ...(scope.session === undefined ? { writeConcern: this.#writeConcern } : {}),
        [kind.field]: rawSequence(kind.field, part),
      };
      const reply = await this.command(target.db, command, doing, scope);
      count += Number(reply['n']);
      errors.push(...itemErrors(reply, start));
      refuseUnconfirmed(reply, doing);
      if (ordered && errors.length > 0) break;
      start += part.length;
    }
    return { count, errors };
  }
}

function itemErrors(reply: Document, start: number): readonly ItemError[] {
  const errors = (reply['writeErrors'] ?? []) as readonly Uint8Array[];
  return errors.map((bytes) => {
    const error = new MongoServerError(deserialize(bytes));
    return { index: start + Number(error['index']), error };
  });
}

/** A write that too few members have may still be undone by a failover. */
function refuseUnconfirmed(reply: Document, doing: string): void {
  const failed = reply['writeConcernError'] as Uint8Array | undefined;
  if (failed !== undefined) throw classify(new MongoServerError(deserialize(failed)), 'write', doing);
}

/** A command that is refused as a whole is no document that can be put aside. */
function ofWholeCommand(error: SluiceError): SluiceError {
  if (error.kind !== 'rejected') return error;
  const { message, code, hint, cause } = error;
  return new SluiceError(message, { kind: 'internal', code, hint, cause });
}
