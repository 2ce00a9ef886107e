import { z } from 'zod';
import { Prisma } from '../../../database/generated/client.ts';

/*
 * What schemas of messages are made of. Nothing in them is optional to know: a field that one side has and the other has
 * not is a mistake.
 */

/** The same, as whoever does not change it sees it. */
type Seen<Type> = unknown extends Type
  ? Type
  : Type extends Date | Prisma.Decimal
    ? Type
    : { readonly [Field in keyof Type]: Seen<Type[Field]> };

/**
 * Takes a schema of exactly this type: where they differ in a field that is always there, the program does not compile.
 */
export const schemaOf =
  <Type>() =>
  <Schema extends z.ZodType<Type>>(schema: [Type] extends [Seen<z.output<Schema>>] ? Schema : never): z.ZodType<Type> =>
    schema;

/** One of the names in a table. */
export const nameIn = <Name extends string>(table: Readonly<Record<Name, unknown>>) =>
  // The type of its keys says no more than `string`.
  z.enum(Object.keys(table) as [Name]);

export const text = z.string();
export const number = z.number();
export const flag = z.boolean();
export const textOrNull = text.nullable();
export const numberOrNull = number.nullable();
export const decimal = z.instanceof(Prisma.Decimal).meta({ title: 'decimal' });

/** A schema as JSON Schema, in which each kind of value has a name. */
export const described = (schema: z.ZodType): object =>
  z.toJSONSchema(schema, {
    unrepresentable: 'any',
    override: ({ zodSchema, jsonSchema }) => {
      const { type } = zodSchema._zod.def;
      if (type === 'bigint' || type === 'date' || type === 'custom') jsonSchema.format = type;
    },
  });
