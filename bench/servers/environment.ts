export function requiredText(name: string): string {
  const value = process.env[name];
  if (value === undefined || value === '') throw new Error(`${name} must be set`);
  return value;
}

export function requiredNumber(name: string): number {
  const value = Number(requiredText(name));
  if (!Number.isInteger(value)) throw new Error(`${name} must be a whole number`);
  return value;
}
