/** A field of a mapping as the products write it. Only what is looked at here has a name. */
export interface FieldMapping {
  readonly type?: string;
  readonly properties?: Properties;
  /** Further ways to index the same value. */
  readonly fields?: Properties;
  readonly dynamic?: boolean | string;
  readonly enabled?: boolean;
  readonly [option: string]: unknown;
}

/** Fields by name. Any name can come, `__proto__` too: read with `fieldAt`, make with `Object.fromEntries`. */
export type Properties = Readonly<Record<string, FieldMapping>>;

/** An object that is kept and not looked into: takes anything, scalars too, and cannot be searched. */
export const NOT_INDEXED: FieldMapping = { type: 'object', enabled: false };

/** The field of that name; undefined when there is none. */
export function fieldAt(properties: Properties | undefined, name: string): FieldMapping | undefined {
  return properties !== undefined && Object.hasOwn(properties, name) ? properties[name] : undefined;
}

/** True for objects that the product looks into, nested ones too. */
export function isObjectField({ type, properties, enabled }: FieldMapping): boolean {
  if (enabled === false) return false;
  return type === undefined ? properties !== undefined : type === 'object' || type === 'nested';
}

/** True for fields that take whole objects as one field. */
export function isFlatField({ type }: FieldMapping): boolean {
  return type === 'flattened' || type === 'flat_object';
}

/** True when a part of the mapping does not map by itself what it does not know. Also as the products write it back. */
export function isClosed(dynamic: boolean | string | undefined): boolean {
  return dynamic === false || dynamic === 'false';
}
