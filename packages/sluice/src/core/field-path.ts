/**
 * Paths of fields as text: names with dots between them, `[]` behind a name for the elements of its array, `*` for the
 * names of a map. In a name a backslash stands before `.`, `[`, `]` and `\`; the empty name is `""`.
 */
export type FieldPath = string;

/** The segment for the names of a map. */
export const ANY_NAME = '*';
/** What stands for the elements of an array. */
export const ELEMENTS = '[]';

const EMPTY_NAME = '""';
const LONGEST_NAME = 200;
const SPECIAL = /[\\.[\]]/g;
/** Names that are neither ids nor special: most of them. */
const PLAIN = /^[g-zG-Z_][\w-]{0,100}$/;
/** Names that are data, not part of a schema: numbers, ObjectIds, UUIDs. */
const ID_LIKE = /^(?:\d+|[0-9a-fA-F]{24}|[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12})$/;

/** The name as a segment of a path; `*` when it looks like an id. A very long name is cut. */
export function nameSegment(name: string): string {
  if (PLAIN.test(name)) return name;
  if (name === '') return EMPTY_NAME;
  if (ID_LIKE.test(name)) return ANY_NAME;
  const text = name.length > LONGEST_NAME ? `${name.slice(0, LONGEST_NAME)}…` : name;
  if (text === ANY_NAME || text === EMPTY_NAME) return `\\${text}`;
  return text.replace(SPECIAL, '\\$&');
}

/** The name that a segment stands for. */
export function segmentName(segment: string): string {
  return segment === EMPTY_NAME ? '' : segment.replace(/\\([^])/g, '$1');
}

/** The path of a segment below another path; the empty path is the document itself. */
export function childPath(parent: FieldPath, segment: string): FieldPath {
  if (segment === ELEMENTS) return parent + ELEMENTS;
  return parent === '' ? segment : `${parent}.${segment}`;
}

/** The segments of a path; `[]` is one of its own. */
export function segmentsOf(path: FieldPath): readonly string[] {
  return path === '' ? [] : (path.match(/\[\]|(?:\\[^]|[^\\.[\]])+/g) ?? []);
}

/** The path of these segments. */
export function pathOf(segments: readonly string[]): FieldPath {
  return segments.reduce(childPath, '');
}

/** The path above; that of the elements of an array is the array's. */
export function parentPath(path: FieldPath): FieldPath {
  return pathOf(segmentsOf(path).slice(0, -1));
}
