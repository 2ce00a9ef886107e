import { hash } from 'node:crypto';
import type { Database } from '../../src/database/database.ts';
import type { KeyKind } from '../../src/database/generated/enums.ts';
import { newId } from '../../src/graph/ids.ts';
import { append } from '../../src/modules/audit/chain.ts';
import { addUsage, usageRow } from './usage.ts';

/** A tenant with rows in every table that tenants can reach. All ids are UUIDs. */
export interface TenantRows {
  readonly groupId: string;
  readonly tenantId: string;
  readonly teamIds: readonly string[];
  readonly userIds: readonly string[];
  readonly appId: string;
  readonly productIds: readonly string[];
  readonly engineIds: readonly string[];
  /** Of every kind that tenants have; of products, engines and users one each. */
  readonly keyIds: readonly string[];
  /** The only one that its allow-list names. */
  readonly modelId: string;
}

const by = { createdById: 'test', createdByName: 'test' };

/** Puts a tenant with all that it can have into the database, behind the back of the program. */
export async function addTenantRows(database: Database): Promise<TenantRows> {
  const { prisma } = database;
  const now = new Date('2026-03-01T12:00:00.000Z');
  const name = (): string => `fenced ${newId()}`;
  const named = (): { name: string; nameFolded: string } => {
    const given = name();
    return { name: given, nameFolded: given };
  };
  const [groupId, tenantId, appId, modelId] = [newId(), newId(), newId(), newId()];
  const model = named();
  const [teamIds, userIds, productIds, engineIds] = Array.from({ length: 4 }, () => [newId(), newId()]) as [
    string[],
    string[],
    string[],
    string[],
  ];
  await prisma.fairshareGroup.create({ data: { id: groupId, ...named() } });
  await prisma.tenant.create({
    data: { id: tenantId, ...named(), fairshareGroupId: groupId, allowedModels: [model.name] },
  });
  await prisma.model.create({ data: { id: modelId, ...model } });
  await prisma.team.createMany({ data: teamIds.map((id) => ({ id, tenantId, ...named() })) });
  await prisma.user.createMany({
    data: userIds.map((id, index) => ({ id, tenantId, teamId: teamIds[index] ?? null, externalId: name() })),
  });
  await prisma.app.create({ data: { id: appId, tenantId, ...named() } });
  for (const [index, productId] of productIds.entries()) {
    const displayName = name();
    await prisma.product.create({
      data: { id: productId, tenantId, slug: `p-${productId}`, displayName, displayNameFolded: displayName },
    });
    await prisma.productPolicyVersion.create({ data: { id: newId(), tenantId, productId, version: 1, ...by } });
    await prisma.productMeter.create({ data: { tenantId, productId } });
    const id = engineIds[index] ?? newId();
    await prisma.engine.create({ data: { id, tenantId, productId, userExternalId: name(), statusChangedAt: now } });
  }
  const owners: readonly (readonly [Exclude<KeyKind, 'ADMIN'>, object])[] = [
    ['TENANT', {}],
    ['GATEWAY', {}],
    ['APP', { appId, environment: 'LIVE' }],
    ['PUBLISHABLE', { appId, environment: 'TEST' }],
    ...productIds.map((productId) => ['PRODUCT', { productId }] as const),
    ...productIds.map((productId, index) => ['ENGINE', { productId, engineId: engineIds[index] }] as const),
    ...userIds.map((userId) => ['USER', { userId }] as const),
  ];
  const registered = { registeredById: 'test', registeredByName: 'test', registeredAt: now, lastHeartbeatAt: now };
  await prisma.gateway.create({ data: { id: newId(), tenantId, ...named(), ...registered } });
  const keyIds: string[] = [];
  for (const [kind, owner] of owners) {
    const id = newId();
    keyIds.push(id);
    await prisma.apiKey.create({ data: { id, kind, tenantId, ...named(), scopes: [], start: 'k', ...by, ...owner } });
    await prisma.apiKeySecret.create({
      data: {
        id: newId(),
        keyId: id,
        tenantId,
        hash: hash('sha256', id, 'buffer'),
        hashScheme: 'sha256',
        origin: 'GENERATED',
        start: 'k',
      },
    });
  }
  await addUsage(database, [
    usageRow({ tenantId, fairshareGroupId: groupId }),
    ...productIds.map((productId, index) => usageRow({ tenantId, productId, engineId: engineIds[index] ?? null })),
    ...userIds.map((userId, index) => usageRow({ tenantId, userId, teamId: teamIds[index] ?? null })),
  ]);
  await database.transaction((transaction) =>
    append(transaction, {
      id: newId(),
      chainId: tenantId,
      occurredAt: now,
      actorKind: 'ROOT',
      actorId: 'test',
      actorName: 'test',
      action: 'test',
      targetType: null,
      targetId: null,
      outcome: 'SUCCEEDED',
      errorCode: null,
      attempts: 1,
      before: null,
      after: null,
      requestId: null,
      ipAddress: null,
      userAgent: null,
    }),
  );
  return { groupId, tenantId, teamIds, userIds, appId, productIds, engineIds, keyIds, modelId };
}

/** A table whose rows belong to tenants. */
export interface FencedTable {
  readonly name: string;
  /** The column with the tenant's id. */
  readonly tenantColumn: string;
  /** Those that an insert can name. */
  readonly columns: readonly string[];
  readonly primaryKey: string;
}

/** The tables of the database that have a column for the tenant, as its catalogue has them. */
export async function tablesOfTenants({ pool }: Database): Promise<readonly FencedTable[]> {
  const { rows } = await pool.query<FencedTable>(`
    SELECT c.relname AS name,
      CASE WHEN c.relname IN ('tenant', 'audit_chain') THEN 'id' ELSE owner.attname END AS "tenantColumn",
      (SELECT array_agg(attname::text) FROM pg_attribute
        WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped AND attgenerated = '') AS columns,
      (SELECT attname FROM pg_index JOIN pg_attribute ON attrelid = indrelid AND attnum = indkey[0]
        WHERE indrelid = c.oid AND indisprimary) AS "primaryKey"
    FROM pg_class AS c
    LEFT JOIN pg_attribute AS owner
      ON owner.attrelid = c.oid AND owner.attname IN ('tenant_id', 'chain_id') AND NOT owner.attisdropped
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')
      AND (owner.attname IS NOT NULL OR c.relname IN ('tenant', 'audit_chain'))
    ORDER BY c.relname`);
  return rows;
}
