import { principalKinds } from '../access/principal.ts';
import type { AuditActor } from './audit.ts';
import { builder } from './builder.ts';

export const PrincipalKindEnum = builder.enumType('PrincipalKind', {
  description: 'What kind of credential somebody acts with.',
  values: {
    ...principalKinds,
    ANONYMOUS: { description: 'Someone without a valid credential; in the audit log only.' },
  } satisfies Record<AuditActor['kind'], object>,
});
