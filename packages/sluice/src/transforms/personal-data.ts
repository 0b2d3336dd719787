import { createHmac } from 'node:crypto';
import { asBuffer, BsonType } from '../bson/elements.ts';
import type { FieldTree } from '../bson/field-tree.ts';
import { JsonBuffer } from '../bson/json-buffer.ts';
import { KeyWriter } from '../bson/json-key.ts';
import { stringValue } from '../bson/make-values.ts';
import { type Change, changeFields, mapElements } from '../bson/rewrite-document.ts';
import type { BsonValue } from '../core/change-event.ts';
import type { Secret } from '../settings/secret.ts';
import { documentPath, treeOf } from './paths.ts';
import { REMOVE } from './stage-unset.ts';
import type { Step } from './step.ts';
import { followChanges } from './update-follows.ts';

/** `drop`: without these fields of the document, wherever an event has them. */
export function compileDrop(paths: readonly string[]): Step {
  return everywhere(paths, REMOVE);
}

/** `mask`: a text in the place of their values. Null stays null; an array is masked element by element. */
export function compileMask(paths: readonly string[], text: string): Step {
  const mask = stringValue(text);
  return everywhere(
    paths,
    scalars(() => mask),
  );
}

/**
 * `hash`: HMAC-SHA-256 of their values with a key, in hex: the same for equal values, so that it can still be grouped and joined by.
 * Of a text its UTF-8 is hashed; of another value a zero byte and its canonical Extended JSON, in which 1 and 1.0 are one.
 */
export function compileHash(paths: readonly string[], key: Secret): Step {
  const buffer = new JsonBuffer(4096);
  const writer = new KeyWriter(buffer, { style: 'canonical' });
  return everywhere(
    paths,
    scalars((value) => {
      const hmac = createHmac('sha256', key.reveal());
      const bytes = asBuffer(value.bytes);
      if (value.type === BsonType.string) return stringValue(hmac.update(bytes.subarray(4, -1)).digest('hex'));
      buffer.rewind();
      buffer.begin(bytes.length);
      writer.value(value.type, bytes);
      return stringValue(hmac.update('\0').update(buffer.end()).digest('hex'));
    }),
  );
}

/** Applies the change to each value that is not null; to those of arrays one by one. */
function scalars(change: (value: BsonValue) => BsonValue): Change {
  const apply = (value: BsonValue): BsonValue => {
    if (value.type === BsonType.null || value.type === BsonType.undefined) return value;
    return value.type === BsonType.array ? mapElements(value, apply) : change(value);
  };
  return apply;
}

/** The change at the same paths of both documents and of what an update says about them. */
function everywhere(paths: readonly string[], change: Change): Step {
  const tree: FieldTree<Change> = treeOf(paths.map((path) => [documentPath(path), change] as const));
  return (draft) => {
    for (const image of ['after', 'before'] as const) {
      const bytes = draft.image(image);
      if (bytes !== undefined) draft.replace(image, changeFields(bytes, tree));
    }
    followChanges(draft, tree);
    return true;
  };
}
