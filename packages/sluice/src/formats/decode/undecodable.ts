import { SluiceError } from '../../core/failure.ts';

/** A message does not have the form that its decoder reads. `detail` says what is wrong, without showing any data. */
export function undecodable(detail: string, cause?: unknown): SluiceError {
  return new SluiceError(`the message cannot be decoded: ${detail}`, {
    kind: 'rejected',
    code: 'decode.unexpected-form',
    hint: 'The message is kept with the dead letter. Name the format of the topic in the source (`format`), then replay it.',
    cause,
  });
}
