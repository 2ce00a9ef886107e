/** What an enum of the graph is made of, where each value is called in the program as it is in the graph. */
export function enumValues<const Name extends string>(
  descriptions: Readonly<Record<Name, string | { readonly description: string }>>,
): Record<Name, { value: Name; description: string }> {
  const entries = Object.entries<string | { readonly description: string }>(descriptions).map(([name, described]) => [
    name,
    { value: name, description: typeof described === 'string' ? described : described.description },
  ]);
  // Object.fromEntries forgets which names there are.
  return Object.fromEntries(entries) as Record<Name, { value: Name; description: string }>;
}
