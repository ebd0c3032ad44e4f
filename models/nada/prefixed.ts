/** `values` under names that begin with `prefix`. */
export function prefixed<T>(
  prefix: string,
  values: Readonly<Record<string, T>>,
): Record<string, T> {
  return Object.fromEntries(
    Object.entries(values).map(([name, value]) => [`${prefix}/${name}`, value]),
  );
}
