import { canonicalJson } from '../database/canonical-json.ts';
import { Prisma } from '../database/generated/client.ts';

type Defined<Value> = { [Key in keyof Value]: Exclude<Value[Key], undefined> };

/** Without the fields that a caller left out. */
export const definedOf = <Value extends object>(value: Value): Partial<Defined<Value>> =>
  Object.fromEntries(Object.entries(value).filter(([, field]) => field !== undefined)) as Partial<Defined<Value>>;

/** Whether the data would change anything in the row. */
export function differs(row: object, data: object): boolean {
  const asStored = (value: unknown) => canonicalJson(value === Prisma.DbNull ? null : value);
  const stored: Readonly<Record<string, unknown>> = { ...row };
  return Object.entries(data).some(([field, value]) => asStored(value) !== asStored(stored[field]));
}
