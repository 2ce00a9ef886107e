import { comparableText } from '../../graph/arguments.ts';
import { builder, requires } from '../../graph/builder.ts';
import { foldName } from '../../graph/commands/validation.ts';
import type { GraphContext } from '../../graph/context.ts';
import { encodeId } from '../../graph/ids.ts';
import { loadReference } from '../../graph/loaders.ts';
import { Tenant } from '../tenants/schema.ts';

/** Links between live snapshots, whose ids are UUIDs, and the graph. */

/** The pool that a caller means by the name of its model, which is compared as in the registry. */
export const poolNamed = (given: string): string => foldName(comparableText('pool', given).trim());

/** What every row of a tenant has. */
export const OfTenant = builder.interfaceRef<{ readonly tenantId: string }>('OfTenant').implement({
  description: 'Something of a tenant.',
  fields: (t) => ({
    tenantId: t.id({ description: 'The id of the tenant.', resolve: ({ tenantId }) => encodeId('Tenant', tenantId) }),
    tenant: t.field({
      ...requires(['tenants:read']),
      type: Tenant,
      nullable: true,
      description: 'The tenant itself; null when it was deleted.',
      resolve: ({ tenantId }, _args, context) =>
        loadReference(context, 'Tenant', tenantId, (ids) => context.services.tenants.byIds(context.principal, ids)),
    }),
  }),
});

export const groupOf = (context: GraphContext, groupId: string) =>
  loadReference(context, 'FairshareGroup', groupId, (ids) =>
    context.services.fairshareGroups.byIds(context.principal, ids),
  );
