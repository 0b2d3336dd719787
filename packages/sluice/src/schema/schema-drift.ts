import { SluiceError } from '../core/failure.ts';
import type { SchemaChange } from './collection-schema.ts';
import type { OnSchemaChange } from './settings.ts';

/** Changes that a message names. */
const NAMED = 3;

/** The change as a sentence without a full stop; names of collections and fields, no values. */
export function changeText({ kind, collection, path, types, known }: SchemaChange): string {
  if (kind === 'collection-added') return `the collection ${collection} is new`;
  const what = `${path} in ${collection}`;
  if (kind === 'field-added') return `the field ${what} is new: ${types.join(', ')}`;
  return `the field ${what} has a new type: ${types.join(', ')} beside ${known.join(', ')}`;
}

/** Why a document with these changes is refused, or the pipeline stops. */
export function driftError(drift: readonly SchemaChange[], pipeline: string, onChange: OnSchemaChange): SluiceError {
  const named = drift.slice(0, NAMED).map(changeText).join('; ');
  const more = drift.length > NAMED ? `; and ${drift.length - NAMED} more` : '';
  const accept = `sluice schema ${pipeline} --accept`;
  const stops = onChange === 'stop';
  return new SluiceError(`the schema has changed: ${named}${more}`, {
    kind: stops ? 'config' : 'rejected',
    code: 'schema.drift',
    hint: stops
      ? `Look at it with "sluice schema ${pipeline}", accept it with "${accept}", and start the pipeline again.`
      : `Accept it with "${accept}", then deliver what was refused with "sluice dlq replay -p ${pipeline} --all".`,
  });
}
