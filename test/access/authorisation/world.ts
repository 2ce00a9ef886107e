import { randomBytes } from 'node:crypto';
import { decodeId, encodeId, type NodeType, newId } from '../../../src/graph/ids.ts';
import type { TestApp } from '../../testkit/app.ts';
import { Commands } from '../../testkit/commands.ts';
import type { CreateKeyInput } from '../../testkit/generated/graphql.ts';
import { makeKey, withSecret } from '../../testkit/keys.ts';
import { Seed } from '../../testkit/seed.ts';
import { addUsage, usageRow } from '../../testkit/usage.ts';

/** Ids in the graph, by the type of what they belong to. */
type Ids = Readonly<Partial<Record<NodeType, readonly string[]>>>;

/** A row that a caller may name, and whose it is: what decides who may see it, said without the program's own rules. */
export interface Row {
  readonly type: NodeType;
  readonly id: string;
  /** What it belongs to or has, itself among it. A caller who is bound to something sees what names that here. */
  readonly of: Ids;
  /** What it is called by besides its id: a name, a slug or an external id. */
  readonly text: string;
  /** Of a key: what its holder presents. */
  readonly secret?: string;
}

/** A tenant with two of everything, so that callers who are bound to one thing have another that is not theirs. */
export interface Home {
  readonly tenant: Row;
  readonly group: Row;
  readonly teams: readonly [Row, Row];
  readonly users: readonly [Row, Row];
  readonly apps: readonly [Row, Row];
  readonly products: readonly [Row, Row];
  /** The first two are instances of the first product. */
  readonly engines: readonly [Row, Row, Row];
  /** The only one that its allow-list names. */
  readonly model: Row;
}

export interface World {
  readonly app: TestApp;
  readonly seed: Seed;
  readonly own: Home;
  readonly foreign: Home;
  readonly rows: Row[];
}

/** Stands in every text of the other tenant, and of the deployment's own rows: nobody else may ever read it. */
export const foreignMarker = 'foreignmarker';

/** What the second of everything is called, in every tenant. */
export const sharedText = 'shared';

/** What secrets are called after which others came. */
export const supersededSecret = 'superseded';

/** The hash of a secret that a key of the deployment has. */
export const takenSecret = randomBytes(32).toString('hex');

export const isRelated = (one: Row, other: Row): boolean =>
  (one.of[other.type]?.includes(other.id) ?? false) || (other.of[one.type]?.includes(one.id) ?? false);

/** An id of the type that no row has. */
export const missingId = (type: NodeType): string => encodeId(type, newId());

export async function makeWorld(app: TestApp): Promise<World> {
  const seed = new Seed(app);
  const rows: Row[] = [];
  const own = await makeHome(app, seed, 'ownmarker', rows);
  const foreign = await makeHome(app, seed, foreignMarker, rows);
  const world = { app, seed, own, foreign, rows };
  for (const home of [own, foreign]) for (const input of keysOf(home)) await addKey(world, input);
  for (const kind of ['ADMIN', 'GATEWAY'] as const) {
    await addKey(world, { kind, name: `${foreignMarker} of the deployment`, scopes: ['keys:verify'] });
  }
  for (const tenant of [own.tenant, foreign.tenant]) await addGateway(world, tenant);
  await addGateway(world);
  // One that no allow-list names.
  const unlisted = await seed.model({ name: `${foreignMarker} unlisted`, description: foreignMarker });
  rows.push({ type: 'Model', id: unlisted.id, text: unlisted.name, of: { Model: [unlisted.id] } });
  const existingSecret = { sha256: takenSecret };
  await addKey(world, { kind: 'ADMIN', name: foreignMarker, scopes: ['keys:verify'], existingSecret });
  return world;
}

/** A gateway with the key that registered it, of a tenant or of the deployment. */
async function addGateway(world: World, tenant?: Row): Promise<void> {
  const { app, rows } = world;
  const name = tenant === undefined ? `${foreignMarker} gateway` : `${tenant.text} gateway`;
  const input: CreateKeyInput = { kind: 'GATEWAY', name, scopes: ['gateways:report'] };
  const key = await addKey(world, tenant === undefined ? input : { ...input, tenantId: tenant.id });
  const answer = await new Commands(app.app.schema).runPartly(withSecret(app, key.secret), 'registerGateway', {
    name,
    version: name,
    address: name,
  });
  const { id } = answer.gateway as { id: string };
  const of = { Gateway: [id], ApiKey: [key.id], ...named('Tenant', tenant?.id) };
  rows.push({ type: 'Gateway', id, text: name, of });
}

async function makeHome(app: TestApp, seed: Seed, marker: string, rows: Row[]): Promise<Home> {
  const id = { description: marker };
  const group = await seed.group({ name: `${marker} group` });
  const tenant = await seed.tenant({
    name: `${marker} tenant`,
    fairshareGroupId: group.id,
    organization: marker,
    allowedModels: [`${marker} model`],
    ...id,
  });
  const tenantId = tenant.id;
  const teams = [
    await seed.team({ tenantId, name: `${marker} team`, ...id }),
    await seed.team({ tenantId, name: sharedText, ...id }),
  ] as const;
  const users = [
    await seed.user({ tenantId, teamId: teams[0].id, externalId: `${marker} user`, displayName: marker }),
    await seed.user({ tenantId, teamId: teams[1].id, externalId: sharedText, displayName: marker }),
  ] as const;
  const apps = [
    await seed.app({ tenantId, name: `${marker} app`, ...id }),
    await seed.app({ tenantId, name: sharedText, ...id }),
  ] as const;
  const products = [
    await seed.product({ tenantId, slug: `${marker}-1`, displayName: marker, policy: { engineVersion: marker } }),
    await seed.product({ tenantId, slug: `${marker}-2`, displayName: marker }),
  ] as const;
  const engines = [
    await seed.engine({ productId: products[0].id, userExternalId: sharedText, version: marker }),
    await seed.engine({ productId: products[0].id, userExternalId: `${marker} other`, version: marker }),
    await seed.engine({ productId: products[1].id, userExternalId: sharedText, version: marker }),
  ] as const;

  const model = await seed.model({ name: `${marker} model`, ...id });

  const ids = (made: readonly { id: string }[]): string[] => made.map((each) => each.id);
  const enginesOf = (productId: string): string[] => ids(engines.filter((engine) => engine.productId === productId));
  const row = (type: NodeType, made: { id: string }, text: string, of: Ids): Row => {
    const added: Row = { type, id: made.id, text, of: { Tenant: [tenantId], ...of, [type]: [made.id] } };
    rows.push(added);
    return added;
  };
  const parts: Ids = { User: ids(users), App: ids(apps), Product: ids(products), Engine: ids(engines) };
  const home: Home = {
    group: row('FairshareGroup', group, group.name, {}),
    // Whoever belongs to a part of a tenant sees the tenant.
    tenant: row('Tenant', tenant, tenant.name, {
      FairshareGroup: [group.id],
      ...parts,
    }),
    model: row('Model', model, model.name, parts),
    teams: pair(teams, (team, index) => row('Team', team, team.name, { User: [users[index].id] })),
    users: pair(users, (user, index) => row('User', user, user.externalId, { Team: [teams[index].id] })),
    apps: pair(apps, (each) => row('App', each, each.name, {})),
    products: pair(products, (product) => row('Product', product, product.slug, { Engine: enginesOf(product.id) })),
    engines: [
      row('Engine', engines[0], engines[0].userExternalId, { Product: [products[0].id] }),
      row('Engine', engines[1], engines[1].userExternalId, { Product: [products[0].id] }),
      row('Engine', engines[2], engines[2].userExternalId, { Product: [products[1].id] }),
    ],
  };
  // Products and engines come with keys of their own.
  const { prisma } = app.app.database;
  for (const key of await prisma.apiKey.findMany({ where: { tenantId: decodeId('Tenant', tenantId) } })) {
    const id = encodeId('ApiKey', key.id);
    const of = {
      ...(key.productId === null ? {} : { Product: [encodeId('Product', key.productId)] }),
      ...(key.engineId === null ? {} : { Engine: [encodeId('Engine', key.engineId)] }),
    };
    await addUsageOf({ app, rows }, row('ApiKey', { id }, key.name, of), marker);
    await addSecrets({ app, rows }, id, { ...of, Tenant: [tenantId], ApiKey: [id] });
  }
  for (const product of home.products) {
    const versions = await prisma.productPolicyVersion.findMany({
      where: { productId: decodeId('Product', product.id) },
    });
    for (const { id: uuid } of versions) {
      const version = { id: encodeId('ProductPolicyVersion', uuid) };
      row('ProductPolicyVersion', version, '', { Product: [product.id], Engine: enginesOf(product.id) });
    }
  }
  return home;
}

/** A record of usage by the holder of a key. */
async function addUsageOf({ app, rows }: Pick<World, 'app' | 'rows'>, key: Row, marker: string): Promise<void> {
  const owner = (type: NodeType): string | null => {
    const [id] = key.of[type] ?? [];
    return id === undefined ? null : decodeId(type, id);
  };
  const [tenantId = ''] = key.of.Tenant ?? [];
  const model = rows.find(({ type, of }) => type === 'Model' && of.Tenant?.includes(tenantId));
  const gateway = rows.find(({ type, of }) => type === 'Gateway' && of.Tenant?.includes(tenantId));
  const record = usageRow({
    tenantId: decodeId('Tenant', tenantId),
    keyId: decodeId('ApiKey', key.id),
    userId: owner('User'),
    appId: owner('App'),
    productId: owner('Product'),
    engineId: owner('Engine'),
    ...(model && { modelId: decodeId('Model', model.id) }),
    ...(gateway && { gatewayId: decodeId('Gateway', gateway.id) }),
    modelName: marker,
    sessionId: marker,
  });
  await addUsage(app.app.database, [record]);
  const id = encodeId('UsageRecord', record.id);
  rows.push({
    type: 'UsageRecord',
    id,
    text: record.requestId,
    of: { ...key.of, ...named('Model', model?.id), ...named('Gateway', gateway?.id), UsageRecord: [id] },
  });
}

const pair = <Made, Result>(
  [first, second]: readonly [Made, Made],
  make: (made: Made, index: 0 | 1) => Result,
): readonly [Result, Result] => [make(first, 0), make(second, 1)];

/** Keys of every kind that a tenant can have, for everything that it has. */
function keysOf({ tenant, apps, products, engines, users }: Home): CreateKeyInput[] {
  const common = { name: tenant.text, tenantId: tenant.id, scopes: ['models:read'], metadata: { note: tenant.text } };
  return [
    { ...common, kind: 'TENANT' },
    { ...common, kind: 'GATEWAY', scopes: ['keys:verify'] },
    ...apps.map(({ id }): CreateKeyInput => ({ ...common, kind: 'APP', appId: id, environment: 'LIVE' })),
    { ...common, kind: 'PUBLISHABLE', appId: apps[0].id, environment: 'LIVE', allowedOrigins: ['*'] },
    ...products.map(({ id }): CreateKeyInput => ({ ...common, kind: 'PRODUCT', productId: id })),
    ...engines.map(({ id }): CreateKeyInput => ({ ...common, kind: 'ENGINE', engineId: id })),
    ...users.map(({ id }): CreateKeyInput => ({ ...common, kind: 'USER', userId: id })),
  ];
}

const named = (type: NodeType, id: string | number | null | undefined): Ids =>
  id === null || id === undefined ? {} : { [type]: [String(id)] };

async function addSecrets({ app, rows }: Pick<World, 'app' | 'rows'>, keyId: string, of: Ids): Promise<void> {
  const secrets = await app.app.database.prisma.apiKeySecret.findMany({ where: { keyId: decodeId('ApiKey', keyId) } });
  for (const { id: uuid, supersededAt } of secrets) {
    const id = encodeId('ApiKeySecret', uuid);
    const text = supersededAt === null ? '' : supersededSecret;
    rows.push({ type: 'ApiKeySecret', id, text, of: { ...of, ApiKeySecret: [id] } });
  }
}

/** Makes a key, with a secret that no longer counts besides the one that does. */
export async function addKey(world: World, input: CreateKeyInput): Promise<Row & { readonly secret: string }> {
  const { app, rows, seed } = world;
  const { key, secret } = await makeKey(app.operator, input);
  const engine = rows.find(({ id }) => id === input.engineId);
  const of: Ids = {
    ApiKey: [key.id],
    ...named('Tenant', input.tenantId),
    ...named('User', input.userId),
    ...named('App', input.appId),
    ...named('Product', input.productId),
    ...(engine ? { Engine: [engine.id], Product: engine.of.Product ?? [] } : {}),
  };
  const { secret: newest } = await seed.run('rotateKey', { keyId: key.id, overlapSeconds: 0 });
  await addSecrets(world, key.id, of);
  const value = (newest as { value: string } | null)?.value ?? secret;
  const row = { type: 'ApiKey', id: key.id, text: input.name, of, secret: value } as const;
  rows.push(row);
  if (of.Tenant !== undefined) await addUsageOf(world, row, input.name);
  return row;
}
