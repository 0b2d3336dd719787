import { SluiceError } from '../core/failure.ts';

const HINT =
  'The message is kept with the dead letter. Find out which program wrote it, or name its format in the source; then replay it.';

/** The bytes are not the JSON that was expected. `detail` says what is wrong, without showing any data. */
export function malformedJson(detail: string, at?: number): SluiceError {
  const where = at === undefined ? '' : ` at byte ${at}`;
  return new SluiceError(`the text is not valid JSON: ${detail}${where}`, {
    kind: 'rejected',
    code: 'json.malformed',
    hint: HINT,
  });
}

/** JSON that has no form in BSON. `detail` says why. */
export function noBsonForm(detail: string): SluiceError {
  return new SluiceError(`the JSON has no form in BSON: ${detail}`, {
    kind: 'rejected',
    code: 'json.no-bson-form',
    hint: HINT,
  });
}
