import { z } from 'zod';
import type { GraphSchemaTypes } from '../builder.ts';
import type { Removal } from '../children.ts';
import { RowCountType } from '../error-types.ts';

/** The input of a command that deletes a row which others belong to. */
export const deletionRules = { cascade: z.boolean(), dryRun: z.boolean() };

/** @param children what belongs to the row: `live keys` */
export const deletionFields = (
  t: PothosSchemaTypes.InputFieldBuilder<GraphSchemaTypes, 'InputObject'>,
  children: string,
) => ({
  cascade: t.boolean({
    required: true,
    defaultValue: false,
    description: `Whether its ${children} are deleted with it.`,
  }),
  dryRun: t.boolean({ required: true, defaultValue: false, description: 'Only say what would be deleted.' }),
});

/** What such a command answers. @param rows the row and what belongs to it */
export const removalFields = <Answer extends Removal>(
  t: PothosSchemaTypes.ObjectFieldBuilder<GraphSchemaTypes, Answer>,
  rows: string,
) => ({
  dryRun: t.boolean({
    description: 'True: nothing was deleted, this is what would be.',
    resolve: (answer) => answer.dryRun,
  }),
  removed: t.field({
    type: [RowCountType],
    description: `What is deleted: ${rows}.`,
    resolve: (answer) => [...answer.removed],
  }),
});
