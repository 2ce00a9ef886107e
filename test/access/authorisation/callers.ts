import type { Binding, PrincipalKind } from '../../../src/access/principal.ts';
import { type Scope, scopesOfKind, scopeTemplates } from '../../../src/access/scopes.ts';
import type { KeyKind } from '../../../src/database/generated/enums.ts';
import { decodeAnyId, type NodeType } from '../../../src/graph/ids.ts';
import type { Client } from '../../testkit/client.ts';
import type { CreateKeyInput } from '../../testkit/generated/graphql.ts';
import { withSecret } from '../../testkit/keys.ts';
import { addKey, type Row, type World } from './world.ts';

/** What a caller is bound to, by the ids in the graph. */
type Bound = Readonly<Partial<Record<NodeType, string>>>;

export interface Caller {
  readonly name: string;
  readonly kind: PrincipalKind;
  readonly client: Client;
  readonly bound: Bound;
  readonly scopes: ReadonlySet<Scope>;
}

/** What the holders of a caller's kind of credential are bound to: to the first of everything of the own tenant. */
interface Binder {
  readonly name: string;
  readonly kind: PrincipalKind;
  readonly bound: (world: World) => readonly Row[];
  /** Every scope that such a credential may hold. */
  readonly scopes: ReadonlySet<Scope>;
  /** How a real credential of it is made; absent: the test's own source of credentials makes it. */
  readonly key?: (world: World) => Partial<CreateKeyInput>;
}

const key = (kind: KeyKind, rest: Pick<Binder, 'bound' | 'key'>): Binder => ({
  name: `a key of kind ${kind}`,
  kind,
  scopes: scopesOfKind(kind),
  ...rest,
});

const login = (role: 'owner' | 'admin' | 'member' | 'viewer', bound: Binder['bound']): Binder => ({
  name: `a login as ${role}`,
  kind: 'LOGIN',
  scopes: new Set<Scope>(scopeTemplates[role].scopes),
  bound,
});

const toTenant = ({ own }: World): readonly Row[] => [own.tenant];

const binders: readonly Binder[] = [
  key('ADMIN', { bound: () => [], key: () => ({}) }),
  key('TENANT', { bound: toTenant, key: ({ own }) => ({ tenantId: own.tenant.id }) }),
  key('APP', {
    bound: ({ own }) => [own.tenant, own.apps[0]],
    key: ({ own }) => ({ appId: own.apps[0].id, environment: 'LIVE' }),
  }),
  key('PUBLISHABLE', {
    bound: ({ own }) => [own.tenant, own.apps[0]],
    key: ({ own }) => ({ appId: own.apps[0].id, environment: 'LIVE', allowedOrigins: ['https://own.example.com'] }),
  }),
  key('PRODUCT', {
    bound: ({ own }) => [own.tenant, own.products[0]],
    key: ({ own }) => ({ productId: own.products[0].id }),
  }),
  key('USER', { bound: ({ own }) => [own.tenant, own.users[0]], key: ({ own }) => ({ userId: own.users[0].id }) }),
  key('ENGINE', {
    bound: ({ own }) => [own.tenant, own.products[0], own.engines[0]],
    key: ({ own }) => ({ engineId: own.engines[0].id }),
  }),
  { ...key('GATEWAY', { bound: () => [], key: () => ({}) }), name: 'a key of kind GATEWAY of the deployment' },
  {
    ...key('GATEWAY', { bound: toTenant, key: ({ own }) => ({ tenantId: own.tenant.id }) }),
    name: 'a key of kind GATEWAY of a tenant',
  },
  login('owner', toTenant),
  login('admin', toTenant),
  login('member', ({ own }) => [own.tenant, own.users[0]]),
  login('viewer', toTenant),
];

const bindingNames = {
  Tenant: 'tenantId',
  Product: 'productId',
  Engine: 'engineId',
  User: 'userId',
  App: 'appId',
} as const;

function bindingOf(bound: Bound): Binding {
  const found: Partial<Record<keyof Binding, string>> = {};
  for (const [type, name] of Object.entries(bindingNames)) {
    const id = bound[type as keyof typeof bindingNames];
    if (id !== undefined) found[name] = decodeAnyId(id).uuid;
  }
  return found;
}

/** One of each kind, with every scope that it may hold; keys of every kind are real ones. */
export async function makeCallers(world: World): Promise<readonly Caller[]> {
  const { app } = world;
  const root: Caller = {
    name: 'a root admin key',
    kind: 'ROOT',
    client: app.operator,
    bound: {},
    scopes: scopesOfKind('ADMIN'),
  };
  const callers = [root];
  for (const { bound: rowsOf, key: inputOf, kind, name, scopes } of binders) {
    const bound: Bound = Object.fromEntries(rowsOf(world).map(({ type, id }) => [type, id]));
    if (inputOf === undefined) {
      const client = app.as({ kind, scopes, ...bindingOf(bound) });
      callers.push({ name, kind, bound, scopes, client });
      continue;
    }
    const marker = bound.Tenant === undefined ? 'foreignmarker caller' : 'ownmarker caller';
    const input = { kind: kind as KeyKind, name: marker, scopes: [...scopes], ...inputOf(world) };
    const tenantId = bound.Tenant;
    const { secret } = await addKey(world, tenantId === undefined ? input : { ...input, tenantId });
    const client = withSecret(app, secret);
    const fromPage = kind === 'PUBLISHABLE' ? client.with({ origin: 'https://own.example.com' }) : client;
    callers.push({ name, kind, bound, scopes, client: fromPage });
  }
  // Roles that have the same scopes at the same place are one caller.
  const keyOf = ({ kind, bound, scopes }: Caller): string => JSON.stringify([kind, bound, [...scopes].sort()]);
  return [...new Map(callers.map((caller) => [keyOf(caller), caller])).values()];
}

/** The same caller with other scopes. */
export function withOtherScopes({ app }: World, caller: Caller, scopes: ReadonlySet<Scope>): Caller {
  const { kind, bound } = caller;
  return { ...caller, scopes, client: app.as({ kind, scopes, ...bindingOf(bound) }) };
}

/** Whether the caller may know of a row, given the scope for its type. */
export const sees = ({ bound }: Caller, row: Row): boolean =>
  Object.entries(bound).every(([type, id]) => row.of[type as NodeType]?.includes(id));
