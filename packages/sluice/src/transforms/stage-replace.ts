import { arrayValue, DocumentBuilder } from '../bson/build-document.ts';
import { asBuffer, BsonType, fieldsOf, findField } from '../bson/elements.ts';
import type { BsonValue } from '../core/change-event.ts';
import { isExtended, isMapping } from './constants.ts';
import { VIEW_FIELDS } from './draft.ts';
import { compileExpression } from './expressions/compile.ts';
import { type Expression, elementsOf, fieldsIn, type Scope, type Value } from './expressions/scope.ts';
import { typeName } from './expressions/values.ts';
import { TransformProblem, ValueProblem } from './problem.ts';
import { imageOf, viewScope } from './stage-set.ts';
import { removeImage } from './stage-unset.ts';
import type { Step } from './step.ts';
import { leaveOut } from './update-follows.ts';

const NAMES = { fields: VIEW_FIELDS, variables: [] } as const;

/** `$replaceWith` and `$replaceRoot`: another view of the event, of which the images count. */
export function compileReplace(stage: string, body: unknown): Step {
  const written = stage === '$replaceRoot' ? newRoot(body) : body;
  checkShape(stage, written);
  const expression = compileExpression(written, NAMES);
  return (draft, { nowMs }) => {
    const value = expression(viewScope(draft, nowMs));
    if (value?.type !== BsonType.document) {
      throw new ValueProblem(`it gives a value of type ${typeName(value)} and not an event`);
    }
    const after = findField(value.bytes, 'after');
    const before = findField(value.bytes, 'before');
    if (after === undefined && before === undefined && draft.image('after') !== undefined) {
      throw new ValueProblem('what it gives has neither "after" nor "before"');
    }
    const had = draft.image('after');
    draft.replace('after', imageOf('after', after));
    draft.replace('before', imageOf('before', before));
    const has = draft.image('after');
    if (had === undefined || has === undefined || !asBuffer(has).equals(had)) leaveOut(draft);
    return true;
  };
}

function newRoot(body: unknown): unknown {
  if (isMapping(body) && Object.keys(body).length === 1 && 'newRoot' in body) return body['newRoot'];
  throw new TransformProblem('$replaceRoot needs a mapping with newRoot');
}

/** What can be seen to be wrong: the document itself in the place of the event. */
function checkShape(stage: string, written: unknown): void {
  const hint = 'write { after: … } for the new document';
  if (typeof written === 'string' && !['$$ROOT', '$$CURRENT'].includes(written)) {
    throw new TransformProblem(`${stage} must give an event with "after" or "before", and not a document of it`, hint);
  }
  if (!isMapping(written) || isExtended(written)) {
    if (typeof written === 'string') return;
    throw new TransformProblem(`${stage} needs an expression that gives a document`, hint);
  }
  const keys = Object.keys(written);
  if (keys.some((key) => key.startsWith('$'))) return;
  const unknown = keys.find((key) => !(VIEW_FIELDS as readonly string[]).includes(key));
  if (unknown !== undefined) throw new TransformProblem(`${stage}: an event has no field "${unknown}"`, hint);
  if (!keys.includes('after') && !keys.includes('before')) {
    throw new TransformProblem(`${stage} must give "after" or "before"`, hint);
  }
}

/** What a `$redact` decides for one level of a document. */
type Verdict = 'keep' | 'prune' | 'descend';

/** Stand for `$$KEEP` and so on while expressions are evaluated: values that no document can have. */
const VERDICTS: ReadonlyMap<string, BsonValue> = new Map(
  ['KEEP', 'PRUNE', 'DESCEND'].map((name) => [name, { type: BsonType.string, bytes: Buffer.from(name) }]),
);

/** `$redact`: leaves out the levels of the documents that the expression prunes; the event when its document is pruned. */
export function compileRedact(body: unknown): Step {
  const expression = compileExpression(body, { fields: undefined, variables: [], verdicts: VERDICTS });
  return (draft, { nowMs }) => {
    const scope = viewScope(draft, nowMs);
    const verdict = verdictOf(expression(scope));
    if (verdict !== 'descend') return verdict === 'keep';
    for (const image of ['after', 'before'] as const) {
      const bytes = draft.image(image);
      if (bytes === undefined) continue;
      const value = { type: BsonType.document, bytes };
      const redacted = redact(value, expression, scope, true);
      if (redacted === undefined && image === 'after') return false;
      if (redacted === undefined) removeImage(draft, image);
      else if (redacted !== value) {
        draft.replace(image, redacted.bytes);
        if (image === 'after') leaveOut(draft);
      }
    }
    // What an update says cannot be judged without the document around it.
    if (draft.image('after') === undefined) leaveOut(draft);
    return true;
  };
}

function verdictOf(value: Value): Verdict {
  for (const [name, verdict] of VERDICTS) if (value === verdict) return name.toLowerCase() as Verdict;
  throw new ValueProblem('it gives neither $$KEEP, $$PRUNE nor $$DESCEND');
}

/** The document without what is pruned; itself when that is nothing. The `_id` of an image is not judged. */
function redact(document: BsonValue, expression: Expression, outer: Scope, isImage: boolean): BsonValue | undefined {
  const scope = { ...outer, current: fieldsIn(document) };
  const verdict = verdictOf(expression(scope));
  if (verdict !== 'descend') return verdict === 'keep' ? document : undefined;
  const builder = new DocumentBuilder();
  let changed = false;
  for (const field of fieldsOf(document.bytes)) {
    const value = isImage && field.name === '_id' ? field : redactValue(field, expression, scope);
    if (value !== field) changed = true;
    if (value !== undefined) builder.field(Buffer.from(field.name), value);
  }
  return changed ? { type: document.type, bytes: builder.build() } : document;
}

function redactValue(value: BsonValue, expression: Expression, scope: Scope): BsonValue | undefined {
  if (value.type === BsonType.document) return redact(value, expression, scope, false);
  if (value.type !== BsonType.array) return value;
  const before = elementsOf(value);
  const after = before.map((element) => redactValue(element, expression, scope));
  if (after.every((element, index) => element === before[index])) return value;
  return arrayValue(after.filter((element) => element !== undefined));
}
