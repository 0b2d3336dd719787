import type { ItemError } from './item-outcome.ts';

/** What can be said of an error without repeating a value. */
export interface ShownReason {
  /** Undefined when the reason has no known form. */
  readonly text: string | undefined;
  readonly hint: string;
}

interface KnownReason {
  /** What of the reason is repeated. Names of fields and types only. */
  readonly form: RegExp;
  readonly hint: string;
}

const MAPPING =
  'Give the field a type in `mapping.properties` that takes all of its values (a changed type needs a new index), or set `mapping.malformed: ignore`; then replay the dead letter.';
const PROCESSOR =
  'A processor of the ingest pipeline does not take the document: give it `ignore_missing`, `ignore_failure` or `on_failure`, or change the document with a transform; then replay the dead letter.';
const LONGEST = 300;

/**
 * Reasons of both products, 7.10 to 9. They often go on with a preview of the value, the id or the document, so that only what
 * stands here is repeated.
 */
const KNOWN: readonly KnownReason[] = [
  {
    form: /Field \[_\w+\] is a metadata field and cannot be added inside a document/,
    hint: 'Rename or leave out the field with a transform.',
  },
  {
    form: /Limit of (?:total fields|mapping depth|nested fields|field name length) \[\d+\]( has been)? exceeded/,
    hint: 'Raise `index.mapping.total_fields.limit` (or the limit named) on the index, or map the field that has so many names as `flattened` or `object` with `enabled: false` in `mapping.properties`; then replay the dead letter.',
  },
  {
    form: /dynamic introduction of \[[^[\]]*\] within \[[^[\]]*\] is not allowed/,
    hint: 'The mapping of the index is strict: add the field to it, or set its `dynamic` to false; then replay the dead letter.',
  },
  { form: /failed to parse field \[[^[\]]*\] of type \[\w+\]/, hint: MAPPING },
  {
    form: /object mapping for \[[^[\]]*\] tried to parse field \[[^[\]]*\] as object, but found a concrete value/,
    hint: MAPPING,
  },
  { form: /object mapping \[[^[\]]*\] can't be changed from \w+ to \w+/, hint: MAPPING },
  { form: /mapper \[[^[\]]*\] (?:cannot|can't) be changed from type \[\w+\] to \[\w+\]/, hint: MAPPING },
  {
    form: /Document contains at least one immense term in field="[^"]*"/,
    hint: 'Set `ignore_above` for the field in its mapping, or map it as text; then replay the dead letter.',
  },
  {
    form: /field name cannot (?:be an empty string|contain only whitespace)/i,
    hint: 'The product does not take such a name: rename or leave out the field with a transform.',
  },
  {
    form: /field name cannot (?:start|end) with \[?\.\]?/i,
    hint: 'The product does not take such a name: rename or leave out the field with a transform.',
  },
  {
    form: /object field starting or ending with a \[\.\] makes object resolution ambiguous/,
    hint: 'The product does not take such a name: rename or leave out the field with a transform.',
  },
  {
    form: /name cannot be (?:an )?empty(?: string)?/i,
    hint: 'The product does not take such a name: rename or leave out the field with a transform.',
  },
  {
    form: /Duplicate field/,
    hint: 'The document has the same name twice, which MongoDB stores and JSON does not know. Change it at the source.',
  },
  {
    form: /The depth of the field has exceeded the allowed limit of \[\d+\]/,
    hint: 'Leave the field out with a transform, or map its upper part as `object` with `enabled: false`.',
  },
  {
    form: /field \[[^[\]]*\] (?:not present as part of path \[[^[\]]*\]|doesn't exist|already exists|is null)/,
    hint: PROCESSOR,
  },
  { form: /field \[[^[\]]*\] of type \[[\w.$]+\] cannot be cast to \[[\w.$]+\]/, hint: PROCESSOR },
  { form: /cannot (?:resolve|set|remove) \[[^[\]]*\] (?:from|with) /, hint: PROCESSOR },
  { form: /unable to (?:convert|parse date)(?= \[)/, hint: PROCESSOR },
  { form: /Unable to find match for dissect pattern/, hint: PROCESSOR },
  { form: /Provided Grok expressions do not match field value/, hint: PROCESSOR },
];

const UNKNOWN_HINT =
  'Send the document to the index by hand to see what it has against it; change the mapping or the document (with a transform), then replay the dead letter.';

/** What of the reason of an error may be shown, and what can be done about it. */
export function shownReason({ reason = '', caused_by }: ItemError): ShownReason {
  for (const { form, hint } of KNOWN) {
    for (const text of [reason, caused_by?.reason ?? '']) {
      const found = form.exec(text)?.[0];
      if (found !== undefined) return { text: found.slice(0, LONGEST), hint };
    }
  }
  return { text: undefined, hint: UNKNOWN_HINT };
}
