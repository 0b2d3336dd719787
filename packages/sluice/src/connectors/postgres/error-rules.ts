import type { FailureKind } from '../../core/failure.ts';

/** What an error means. */
export interface Verdict {
  readonly kind: FailureKind;
  readonly code: string;
  readonly what: string;
  readonly hint?: string | undefined;
}

export const AUTHENTICATION: Verdict = {
  kind: 'transient',
  code: 'postgres.authentication',
  what: 'the server refuses the login',
  hint: 'Correct the user and the password, or `pg_hba.conf` of the server. It is tried again, so a corrected login is taken up.',
};
export const UNREACHABLE: Verdict = {
  kind: 'transient',
  code: 'postgres.unreachable',
  what: 'the server cannot be reached',
  hint: 'Check host and port, the network and that the server runs. It is tried again.',
};
export const LOST: Verdict = { kind: 'transient', code: 'postgres.connection-lost', what: 'the connection was lost' };
export const TLS: Verdict = {
  kind: 'transient',
  code: 'postgres.tls',
  what: 'no TLS connection is possible',
  hint: 'Check `tls` (authority, client certificate) and that the host is in the certificate of the server. It is tried again.',
};
const PRIVILEGE: Verdict = {
  kind: 'transient',
  code: 'postgres.privilege',
  what: 'the user lacks a privilege',
  hint: 'Grant what `sluice doctor` names. It is tried again.',
};
const RESOURCES: Verdict = {
  kind: 'transient',
  code: 'postgres.resources',
  what: 'the server has run out of something',
  hint: 'Free or add disk, memory or connections on the server. It is tried again.',
};
export const READ_ONLY: Verdict = {
  kind: 'transient',
  code: 'postgres.read-only',
  what: 'the server cannot be written to',
  hint: 'It is a standby or was made read-only: name the primary, or all hosts separated by commas. It is tried again.',
};
export const CONFLICT: Verdict = {
  kind: 'transient',
  code: 'postgres.conflict',
  what: 'others were writing the same rows',
};
export const TIMEOUT: Verdict = {
  kind: 'transient',
  code: 'postgres.timeout',
  what: 'a statement was cancelled',
  hint: 'If it needs longer, raise `statementTimeout`; look for who holds locks in pg_locks. It is tried again.',
};
const MISSING: Verdict = {
  kind: 'transient',
  code: 'postgres.table-missing',
  what: 'a table or column is no longer there',
  hint: 'It was dropped while Sluice was running. It is made again; what it held comes back with `sluice snapshot`.',
};
export const CHANGED: Verdict = {
  kind: 'transient',
  code: 'postgres.table-changed',
  what: 'the table was changed meanwhile',
};
const UNSUPPORTED: Verdict = {
  kind: 'config',
  code: 'postgres.table-unsuitable',
  what: 'the table is not as Sluice needs it',
  hint: 'Undo what was changed about the columns `_id`, `document`, `_ts`, `_ord` and the primary key, or let Sluice make the table.',
};

const OBJECT_STATE: Verdict = {
  kind: 'transient',
  code: 'postgres.object-state',
  what: 'the table is in use, or in a state in which it cannot be written to',
  hint: 'Look at what else is done to it (maintenance, publications without a replica identity). It is tried again.',
};
const SERVER_ERROR: Verdict = {
  kind: 'transient',
  code: 'postgres.server-error',
  what: 'the server has failed inside',
  hint: 'It happens while others change or drop what is used; else look into the log of the server. It is tried again.',
};
const CORRUPTED: Verdict = {
  kind: 'config',
  code: 'postgres.corrupted',
  what: 'the server finds its data or an index damaged',
  hint: 'Repair it (reindex, or restore a backup), then start again.',
};
const POOLER: Verdict = {
  kind: 'config',
  code: 'postgres.pooler',
  what: 'another connection of the server answers than the one that was opened',
  hint: 'A pooler in transaction mode stands in between: connect to the server itself, or let the pooler keep sessions.',
};

/** By the code of the server (https://www.postgresql.org/docs/current/errcodes-appendix.html). */
export const BY_STATE: Readonly<Record<string, Verdict>> = {
  '28000': AUTHENTICATION,
  '28P01': AUTHENTICATION,
  '3D000': {
    kind: 'transient',
    code: 'postgres.no-database',
    what: 'the database does not exist',
    hint: 'Create it, or correct the name. It is tried again.',
  },
  '25006': READ_ONLY,
  '26000': POOLER,
  '42P05': POOLER,
  '40001': CONFLICT,
  '40P01': CONFLICT,
  '55000': OBJECT_STATE,
  '55006': OBJECT_STATE,
  '55P03': TIMEOUT,
  '57014': TIMEOUT,
  '25P03': TIMEOUT,
  '25P04': TIMEOUT,
  '42501': PRIVILEGE,
  '42P01': MISSING,
  '42703': MISSING,
  '3F000': MISSING,
  '54011': {
    kind: 'config',
    code: 'postgres.too-many-columns',
    what: 'the table has no room for another column',
    hint: 'Lower `columns.most` or exclude fields. Columns that were dropped count until the table is made anew.',
  },
  '42P10': UNSUPPORTED,
  '42804': UNSUPPORTED,
  '428C9': UNSUPPORTED,
  '42809': UNSUPPORTED,
  '42883': UNSUPPORTED,
  // The cause is mostly there: of an object that was dropped, or of a row that was changed by others.
  XX000: SERVER_ERROR,
  XX001: CORRUPTED,
  XX002: CORRUPTED,
};

/** Classes of states: their first two characters. */
export const BY_CLASS: Readonly<Record<string, Verdict>> = {
  '08': LOST,
  '40': CONFLICT,
  '53': RESOURCES,
  '57': { kind: 'transient', code: 'postgres.shutdown', what: 'the server is stopping or starting' },
  '58': RESOURCES,
};
