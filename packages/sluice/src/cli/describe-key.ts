import { keyText } from '../bson/key-text.ts';
import type { ChangeEvent } from '../core/change-event.ts';

/** The document key as relaxed Extended JSON, cut to a readable length; never throws, whatever the event holds. */
export function describeKey(event: ChangeEvent): string {
  try {
    return keyText(event.key());
  } catch {
    return '(cannot be read)';
  }
}
