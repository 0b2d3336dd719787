const LONGEST = 63;

/** A name of another tool as the name of a pipeline: letters, digits, `-` and `_`. */
export function pipelineName(name: string): string {
  const legal = name.replaceAll(/[^a-zA-Z0-9_-]+/g, '-').replace(/^[-_]+/, '');
  return legal === '' ? 'connector' : legal.slice(0, LONGEST);
}

/** The names, with a number behind those that came before. */
export function uniqueNames(names: readonly string[]): readonly string[] {
  const counts = new Map<string, number>();
  return names.map((name) => {
    const count = (counts.get(name) ?? 0) + 1;
    counts.set(name, count);
    if (count === 1) return name;
    const end = `-${count}`;
    return `${name.slice(0, LONGEST - end.length)}${end}`;
  });
}
