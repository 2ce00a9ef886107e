import { builder } from '../../graph/builder.ts';
import { UserErrorInterface } from '../../graph/error-types.ts';
import { UserError } from '../../graph/errors.ts';

/** How many rows of a type belong to a tenant. */
export interface RowCount {
  readonly type: string;
  readonly count: number;
}

export const RowCountType = builder.objectRef<RowCount>('RowCount').implement({
  description: 'How many rows of a type.',
  fields: (t) => ({
    type: t.exposeString('type', { description: "The type's name in this graph." }),
    count: t.exposeInt('count', { description: 'How many.' }),
  }),
});

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
