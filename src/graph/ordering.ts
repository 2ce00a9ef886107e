import { builder } from './builder.ts';

const OrderDirectionEnum = builder.enumType('OrderDirection', {
  description: 'Which end of a list comes first. Rows with the same value are sorted by id in the same direction.',
  values: {
    ASC: { description: 'Smallest, earliest or alphabetically first.' },
    DESC: { description: 'Largest, latest or alphabetically last.' },
  } as const,
});

/** Makes the `orderBy` input of a type from its sort fields: each is named after the column that it sorts by. */
export function orderInput<const Column extends string>(
  type: string,
  fields: Readonly<Record<string, { readonly column: Column; readonly description: string }>>,
) {
  const fieldEnum = builder.enumType(`${type}OrderField`, {
    description: `What a list of type ${type} can be sorted by.`,
    values: Object.fromEntries(
      Object.entries(fields).map(([name, { column, description }]) => [name, { value: column, description }]),
    ) as Record<string, { value: Column; description: string }>,
  });
  return builder.inputType(`${type}Order`, {
    description: `How to sort a list of type ${type}.`,
    fields: (t) => ({
      field: t.field({ type: fieldEnum, required: true, description: 'What to sort by.' }),
      direction: t.field({
        type: OrderDirectionEnum,
        required: true,
        defaultValue: 'ASC',
        description: 'Which end comes first.',
      }),
    }),
  });
}
