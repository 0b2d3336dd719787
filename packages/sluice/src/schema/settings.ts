/** What happens with a change of the schema that comes after a collection was learned. */
export type OnSchemaChange = 'allow' | 'warn' | 'dead-letter' | 'stop';

/** How a pipeline learns and watches the schemas of its collections. */
export interface SchemaSettings {
  readonly onChange: OnSchemaChange;
  /** Documents of a collection that only teach; what is new after them is a change. */
  readonly learnDocuments: number;
  /** An embedded document with more different names than this is a map: its names become one, `*`. */
  readonly collapseAbove: number;
}

/** True when documents with a change do not pass until somebody accepts it. */
export function isRefusing({ onChange }: SchemaSettings): boolean {
  return onChange === 'dead-letter' || onChange === 'stop';
}
