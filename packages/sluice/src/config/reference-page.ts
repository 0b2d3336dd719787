import type { Registry } from '../connectors/registry-entry.ts';
import { SCALAR_KIND } from '../settings/scalars.ts';
import { type JsonSchema, plainJsonSchema } from './json-schema.ts';

/** A mapping that gets a table of its own. */
interface Section {
  readonly path: string;
  readonly schema: JsonSchema;
  /** Path of an equal section that came before. */
  readonly sameAs?: string;
}

const INTRODUCTION = `# Configuration

One YAML file, by default \`sluice.yaml\` (\`-c FILE\` or \`SLUICE_CONFIG\` name another). Check it with
\`sluice validate\`, which touches no other system, and with \`sluice doctor\`, which looks at the systems behind it.
Unknown keys, wrong types and contradictions are errors with file, line and column; nothing is started then.

Editors complete and check the file when it starts with

\`\`\`yaml
# yaml-language-server: $schema=./sluice.schema.json
\`\`\`

**References.** In every value, \`\${env:NAME}\` is replaced by an environment variable, \`\${env:NAME:-default}\` by a
default where the variable is not set or empty, and \`\${file:path}\` by the content of a file without its last line
break. It happens after the YAML is read, so a value cannot change the structure; \`$\${\` gives a literal \`\${\`.

**Secrets** are only taken by reference. A password in the file is an error, also inside a connection string: write
\`mongodb://sluice:\${env:MONGO_PASSWORD}@host\`, or take the whole string from \`\${env:MONGO_URI}\`. They are never
printed: \`sluice validate --print\` shows \`***\`.

**Durations** have a unit (\`100ms\`, \`5s\`, \`1m\`, \`2h\`, \`1d\`), **sizes** too (\`512B\`, \`64KiB\`, \`16MiB\`,
\`1GB\`). **Paths** are taken from the directory of the file.

This page is made from the schema in the code.
`;

/** The reference page of the configuration as Markdown: a table for every section of the file. */
export function referencePage(registry: Registry): string {
  const sections = sectionsOf({ path: '', schema: plainJsonSchema(registry) }, new Map());
  return `${INTRODUCTION}\n${sections.map(renderSection).join('\n')}`;
}

/** The section and those inside it, in the order of the schema; one that was there before only refers to it. */
function sectionsOf(section: Section, seen: Map<string, string>): readonly Section[] {
  const content = JSON.stringify(section.schema);
  const sameAs = seen.get(content);
  if (sameAs !== undefined) return [{ ...section, sameAs }];
  seen.set(content, section.path);
  const inner = Object.entries(propertiesOf(section.schema)).flatMap(([key, schema]) => {
    const path = section.path === '' ? key : `${section.path}.${key}`;
    return mappingsIn(schema, path).flatMap((mapping) => sectionsOf(mapping, seen));
  });
  return [section, ...inner];
}

/** The mappings that a value may be: itself, the values of a mapping by name, or alternatives told apart by a name. */
function mappingsIn(schema: JsonSchema, path: string): readonly Section[] {
  if (Object.keys(propertiesOf(schema)).length > 0) return [{ path, schema }];
  const { additionalProperties: values } = schema;
  if (isSchema(values)) return mappingsIn(values, `${path}.NAME`);
  return alternativesOf(schema).flatMap((alternative) => {
    return mappingsIn(alternative, `${path}${tagOf(alternative)}`);
  });
}

/** What tells an alternative apart: the value of its discriminator, or the keys that it needs. */
function tagOf(alternative: JsonSchema): string {
  const tag = Object.entries(propertiesOf(alternative)).find(([, property]) => property['const'] !== undefined);
  if (tag !== undefined) return ` (${tag[0]}: ${String(tag[1]['const'])})`;
  const { required } = alternative;
  return Array.isArray(required) ? ` (${required.join(', ')})` : '';
}

function renderSection({ path, schema, sameAs }: Section): string {
  const title = path === '' ? 'Top level' : `\`${path}\``;
  const required = (schema['required'] ?? []) as readonly string[];
  const rows = Object.entries(propertiesOf(schema)).map(
    ([key, property]) =>
      `| \`${key}\` | ${typeText(property)} | ${defaultText(property, required.includes(key))} | ${describe(property)} |\n`,
  );
  if (sameAs !== undefined) return `## ${title}\n\nThe same as \`${sameAs}\`.\n`;
  const about = path === '' ? '' : describe(schema);
  const description = about === '' ? '' : `${about}\n\n`;
  return `## ${title}\n\n${description}| key | type | default | meaning |\n| --- | --- | --- | --- |\n${rows.join('')}`;
}

function typeText(schema: JsonSchema): string {
  const kind = schema[SCALAR_KIND];
  if (typeof kind === 'string') return KINDS[kind] ?? kind;
  if (schema['const'] !== undefined) return code(schema['const']);
  const choices = schema['enum'];
  if (Array.isArray(choices)) return choices.map(code).join(', ');
  const alternatives = alternativesOf(schema);
  if (alternatives.length > 0) return [...new Set(alternatives.map(typeText))].join(' or ');
  if (schema['type'] === 'array') return isSchema(schema['items']) ? `list of ${typeText(schema['items'])}` : 'list';
  if (schema['type'] === 'integer') return rangeText(schema);
  return TYPES[String(schema['type'])] ?? 'any value';
}

const KINDS: Readonly<Record<string, string>> = {
  duration: 'duration',
  bytes: 'size',
  secret: 'secret',
  uri: 'connection string',
  path: 'path',
  address: 'address',
};

const TYPES: Readonly<Record<string, string>> = {
  string: 'text',
  number: 'number',
  boolean: '`true`, `false`',
  object: 'mapping',
};

function rangeText({ minimum, maximum }: JsonSchema): string {
  return `${String(minimum)} to ${String(maximum)}`;
}

function defaultText(schema: JsonSchema, required: boolean): string {
  if (required) return '**required**';
  const { default: value } = schema;
  if (value === undefined || JSON.stringify(value) === '{}') return '';
  return code(value);
}

function describe({ description }: JsonSchema): string {
  return typeof description === 'string' ? description.replaceAll('|', '\\|').replaceAll('\n', ' ') : '';
}

function code(value: unknown): string {
  return `\`${typeof value === 'string' ? value : JSON.stringify(value)}\``;
}

function propertiesOf(schema: JsonSchema): Readonly<Record<string, JsonSchema>> {
  return (schema['properties'] ?? {}) as Readonly<Record<string, JsonSchema>>;
}

function alternativesOf(schema: JsonSchema): readonly JsonSchema[] {
  return (schema['anyOf'] ?? schema['oneOf'] ?? []) as readonly JsonSchema[];
}

function isSchema(value: unknown): value is JsonSchema {
  return typeof value === 'object' && value !== null;
}
