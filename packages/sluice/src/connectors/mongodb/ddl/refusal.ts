import { MongoServerError } from 'mongodb';
import { SluiceError } from '../../../core/failure.ts';
import { classify } from '../classify.ts';

/** Codes of the server that are told apart here. */
export const Code = {
  namespaceNotFound: 26,
  indexNotFound: 27,
  namespaceExists: 48,
  duplicateKey: 11_000,
} as const;

/** The target does not accept a change of the collections themselves. */
export class Refused extends Error {
  readonly code: number;
  readonly hint: string | undefined;

  constructor(message: string, { code, hint, cause }: { code: number; hint?: string | undefined; cause?: unknown }) {
    super(message, { cause });
    this.name = 'Refused';
    this.code = code;
    this.hint = hint;
  }
}

interface Explanation {
  readonly says: string;
  readonly hint: string;
  /** The server's text holds definitions only, and no values of documents. */
  readonly quotes?: boolean;
}

const OTHER_INDEX: Explanation = {
  says: 'the target has another index of that name or of those fields',
  hint: 'Drop the index of the target if the one of the source is wanted, and make that by hand.',
  quotes: true,
};
const NOT_KNOWN: Explanation = {
  says: 'this version of the server does not know it, or does not allow it here',
  hint: 'Make what comes nearest to it by hand.',
  quotes: true,
};

const EXPLANATIONS: ReadonlyMap<number, Explanation> = new Map([
  [
    Code.duplicateKey,
    {
      says: 'documents of the target have the same values in the fields of a unique index',
      hint:
        'Either the target has documents that are not from this source, or values were taken over by other documents ' +
        'since: then the index is made when its own event comes. Otherwise make it by hand before you switch over.',
    },
  ],
  // CannotConvertIndexToUnique
  [
    359,
    { says: 'documents of the target have the same values in these fields', hint: 'Correct them, then run collMod.' },
  ],
  // IndexOptionsConflict, IndexKeySpecsConflict, IndexAlreadyExists
  [85, OTHER_INDEX],
  [86, OTHER_INDEX],
  [68, OTHER_INDEX],
  // CannotCreateIndex, InvalidIndexSpecificationOption, InvalidOptions, unknown fields, stages, CommandNotSupported
  [67, NOT_KNOWN],
  [197, NOT_KNOWN],
  [72, NOT_KNOWN],
  [40_415, NOT_KNOWN],
  [40_324, NOT_KNOWN],
  [115, NOT_KNOWN],
  // BadValue, FailedToParse, TypeMismatch, OptionNotSupportedOnView, IncompatibleCollationVersion
  [2, NOT_KNOWN],
  [9, NOT_KNOWN],
  [14, NOT_KNOWN],
  [167, NOT_KNOWN],
  [161, NOT_KNOWN],
  // CommandNotSupportedOnView
  [
    166,
    {
      says: 'the target has a view of that name',
      hint: 'Drop the view of the target, or send the collection elsewhere.',
      quotes: true,
    },
  ],
  [
    Code.namespaceExists,
    { says: 'the target has something of that name already', hint: 'Drop it, or send the collection elsewhere.' },
  ],
]);

/**
 * Something of the same kind is under way; it can be tried again. IndexBuildAborted, BackgroundOperationInProgress for
 * a database and a namespace, ConflictingOperationInProgress.
 */
const TRY_AGAIN = [276, 12_586, 12_587, 117];

/** What was thrown, as a refusal where it will be refused again, else as the classified error of a write. */
export function refusalOr(error: unknown, doing: string): Refused | SluiceError {
  if (!(error instanceof MongoServerError)) return classify(error, 'write', doing);
  const code = Number(error.code);
  if (TRY_AGAIN.includes(code)) {
    const text = `cannot ${doing}: the target is at work on the same collection (${error.codeName})`;
    return new SluiceError(text, { kind: 'transient', code: 'mongodb.ddl-busy' });
  }
  // In other writes it only means that two of them met.
  const classified = classify(error, 'write', doing);
  if (classified.kind === 'transient' && code !== Code.duplicateKey) return classified;
  return refused(error, code, doing);
}

function refused(error: MongoServerError, code: number, doing: string): Refused {
  const known = EXPLANATIONS.get(code);
  const detail = known?.quotes === true ? error.message : (error.codeName ?? `code ${code}`);
  const says = known === undefined ? 'the target refuses it' : known.says;
  return new Refused(`cannot ${doing}: ${says} (${detail})`, { code, hint: known?.hint });
}
