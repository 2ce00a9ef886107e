import { builder } from '../../graph/builder.ts';
import { RowCountType, UserErrorInterface } from '../../graph/error-types.ts';
import { type RowCount, UserError } from '../../graph/errors.ts';

export class TenantHasChildrenError extends UserError {
  override readonly name = 'TenantHasChildrenError';
  override readonly code = 'HAS_CHILDREN';
  readonly children: readonly RowCount[];

  constructor(children: readonly RowCount[]) {
    const list = children.map(({ type, count }) => `${count} ${type}`).join(', ');
    super(`The tenant has live children (${list}). Delete them first, or give cascade: true.`, ['cascade']);
    this.children = children;
  }
}

builder.objectType(TenantHasChildrenError, {
  name: 'TenantHasChildrenError',
  description: 'The tenant has live children, and `cascade` was not given.',
  interfaces: [UserErrorInterface],
  fields: (t) => ({
    children: t.field({
      type: [RowCountType],
      description: 'What it has.',
      resolve: (error) => [...error.children],
    }),
  }),
});
