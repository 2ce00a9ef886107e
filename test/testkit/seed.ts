import { decodeAnyId, encodeId } from '../../src/graph/ids.ts';
import type { TestApp } from './app.ts';
import { isParentType, type ParentType, ScratchChildren } from './children.ts';
import { type CommandAnswer, type CommandInput, Commands } from './commands.ts';
import { graphql } from './generated/gql.ts';
import type { CreateTenantInput } from './generated/graphql.ts';

const seedTenant = graphql(`
  mutation SeedTenant($input: CreateTenantInput!) {
    createTenant(input: $input) {
      __typename
      ... on CreateTenantPayload {
        tenant {
          id
          name
          revision
        }
      }
      ... on UserError {
        message
      }
    }
  }
`);

const seedFairshareGroup = graphql(`
  mutation SeedFairshareGroup($input: CreateFairshareGroupInput!) {
    createFairshareGroup(input: $input) {
      __typename
      ... on CreateFairshareGroupPayload {
        fairshareGroup {
          id
          name
          revision
        }
      }
      ... on UserError {
        message
      }
    }
  }
`);

export interface Seeded {
  readonly id: string;
  readonly name: string;
  readonly revision: number;
}

export interface SeededOfTenant extends Seeded {
  readonly tenantId: string;
}

export interface SeededUser {
  readonly id: string;
  readonly tenantId: string;
  readonly externalId: string;
  readonly revision: number;
}

export interface SeededProduct {
  readonly id: string;
  readonly slug: string;
  readonly revision: number;
  readonly tenantId: string;
}

export interface SeededEngine {
  readonly id: string;
  readonly userExternalId: string;
  readonly revision: number;
  readonly productId: string;
}

export interface SeededKey extends Seeded {
  readonly tenantId: string | null;
  readonly start: string;
  readonly secret: string;
}

/** Makes rows that a test starts from, through the graph, under names that no other row of the file has. */
export class Seed {
  readonly #app: TestApp;
  #count = 0;
  readonly #children = new Map<ParentType, Promise<ScratchChildren>>();

  constructor(app: TestApp) {
    this.#app = app;
  }

  /** A name that was not given before. */
  name(): string {
    this.#count += 1;
    return `Seed ${this.#count}`;
  }

  async tenant(input: Partial<CreateTenantInput> = {}): Promise<Seeded> {
    const { createTenant } = await this.#app.operator.run(seedTenant, { input: { name: this.name(), ...input } });
    if (createTenant.__typename === 'CreateTenantPayload') return createTenant.tenant;
    throw new Error(createTenant.message);
  }

  async group(input: { readonly name?: string; readonly weight?: number } = {}): Promise<Seeded> {
    const { createFairshareGroup } = await this.#app.operator.run(seedFairshareGroup, {
      input: { name: this.name(), ...input },
    });
    if (createFairshareGroup.__typename === 'CreateFairshareGroupPayload') return createFairshareGroup.fairshareGroup;
    throw new Error(createFairshareGroup.message);
  }

  /** A team; without a tenant, one is made for it. */
  async team(input: CommandInput = {}): Promise<SeededOfTenant> {
    const tenantId = await this.#tenantOf(input);
    const { team } = await this.run('createTeam', { name: this.name(), ...input, tenantId });
    return { ...(team as Seeded), tenantId };
  }

  /** A user; without a tenant, one is made for it. */
  async user(input: CommandInput = {}): Promise<SeededUser> {
    const tenantId = await this.#tenantOf(input);
    const { user } = await this.run('createUser', { externalId: this.name(), ...input, tenantId });
    return { ...(user as Omit<SeededUser, 'tenantId'>), tenantId };
  }

  /** A slug that was not given before. */
  slug(): string {
    return this.name().toLowerCase().replace(' ', '-');
  }

  /** A product; without a tenant, one is made for it. */
  async product(input: CommandInput = {}): Promise<SeededProduct> {
    const tenantId = await this.#tenantOf(input);
    const slug = this.slug();
    const { product } = await this.run('registerProduct', { slug, displayName: slug, ...input, tenantId });
    return { ...(product as Omit<SeededProduct, 'tenantId'>), tenantId };
  }

  /** An engine of a user that no other engine has; without a product, one is registered for it. */
  async engine(input: CommandInput = {}): Promise<SeededEngine> {
    const productId = typeof input.productId === 'string' ? input.productId : (await this.product()).id;
    const userExternalId = this.slug();
    const { engine } = await this.run('registerEngine', { userExternalId, ...input, productId });
    return { ...(engine as Omit<SeededEngine, 'productId'>), productId };
  }

  /** An engine that runs. */
  async runningEngine(input: CommandInput = {}): Promise<SeededEngine> {
    const engine = await this.engine(input);
    await this.run('reportEngine', { engineId: engine.id, status: 'RUNNING' });
    return { ...engine, revision: 2 };
  }

  /** An application; without a tenant, one is made for it. */
  async app(input: CommandInput = {}): Promise<SeededOfTenant> {
    const tenantId = await this.#tenantOf(input);
    const { app } = await this.run('createApp', { name: this.name(), ...input, tenantId });
    return { ...(app as Seeded), tenantId };
  }

  /** A key with its secret: of a tenant, unless the input says otherwise; without a tenant, one is made for it. */
  async key(input: CommandInput = {}): Promise<SeededKey> {
    const rest = { kind: 'TENANT', name: this.name(), scopes: ['tenants:read'], ...input };
    const isOfTenant = rest.kind === 'TENANT' || rest.kind === 'PUBLISHABLE';
    const { key, secret } = await this.run('createKey', {
      ...rest,
      ...(isOfTenant ? { tenantId: await this.#tenantOf(input) } : {}),
    });
    return { ...(key as Omit<SeededKey, 'secret'>), secret: (secret as { value: string } | null)?.value ?? '' };
  }

  /** A model of the deployment. */
  async model(input: CommandInput = {}): Promise<Seeded> {
    const { model } = await this.run('createModel', { name: this.name(), ...input });
    return model as Seeded;
  }

  /** A gateway of the deployment, which the operator registered. */
  async gateway(input: CommandInput = {}): Promise<Seeded> {
    const { gateway } = await this.run('registerGateway', { name: this.name(), ...input });
    return gateway as Seeded;
  }

  /** A gateway that a key registered, with that key: of the deployment, or of a tenant. */
  async gatewayOfKey(tenantId?: string): Promise<{ readonly gateway: Seeded; readonly key: SeededKey }> {
    const ofTenant = tenantId === undefined ? {} : { tenantId };
    const key = await this.key({ kind: 'GATEWAY', scopes: ['gateways:report'], ...ofTenant });
    const client = this.#app.anonymous.with({ authorization: `Bearer ${key.secret}` });
    const commands = new Commands(this.#app.app.schema);
    const answer = await commands.runPartly(client, 'registerGateway', { name: this.name() });
    // Its use is not written while a test compares what is stored.
    await this.#app.app.keyUsage.flush();
    return { gateway: answer.gateway as Seeded, key };
  }

  /** The id of a lease that the operator holds, of a key; without one, one is made for it. */
  async leaseId(keyId?: string): Promise<string> {
    const { lease } = await this.run('admitRequest', {
      keyId: keyId ?? (await this.key({ scopes: ['cloud:inference'] })).id,
      model: 'any',
      estimatedInputTokens: 1,
      estimatedOutputTokens: 1,
    });
    return (lease as Pick<Seeded, 'id'>).id;
  }

  /** The id of the newest version of a product's policy. */
  async policyVersionIdOf(productId: string): Promise<string> {
    const { uuid } = decodeAnyId(productId);
    const { id } = await this.#app.app.database.prisma.productPolicyVersion.findFirstOrThrow({
      where: { productId: uuid },
      orderBy: { version: 'desc' },
    });
    return encodeId('ProductPolicyVersion', id);
  }

  /** The id of the newest secret of a key. */
  async secretIdOf(keyId: string): Promise<string> {
    const { uuid } = decodeAnyId(keyId);
    const { id } = await this.#app.app.database.prisma.apiKeySecret.findFirstOrThrow({
      where: { keyId: uuid },
      orderBy: [{ supersededAt: { sort: 'desc', nulls: 'first' } }, { id: 'desc' }],
    });
    return encodeId('ApiKeySecret', id);
  }

  /** Goes back to the first pepper, as if no secret were under another: there are no keys any more. */
  async firstPepper(): Promise<void> {
    const { prisma } = this.#app.app.database;
    await prisma.apiKey.deleteMany();
    await prisma.secretHashing.update({ where: { id: 1 }, data: { pepperVersion: 1 } });
  }

  /** The tenant that an input names, or a new one. */
  async #tenantOf({ tenantId }: CommandInput): Promise<string> {
    return typeof tenantId === 'string' ? tenantId : (await this.tenant()).id;
  }

  /** A tenant that is suspended or archived. */
  async tenantAfter(command: 'suspendTenant' | 'archiveTenant'): Promise<Seeded> {
    const tenant = await this.tenant();
    await this.run(command, { tenantId: tenant.id });
    return { ...tenant, revision: 2 };
  }

  /** Carries a command out as the operator; it must not be refused. */
  async run(command: string, input: CommandInput): Promise<CommandAnswer> {
    const answer = await new Commands(this.#app.app.schema).run(this.#app.operator, command, input);
    if (answer.code !== undefined) throw new Error(`${command}: ${answer.message}`);
    return answer;
  }

  /** Gives a row a child of a made-up kind. */
  async addChild(parentId: string, { live = true } = {}): Promise<void> {
    const { children, uuid } = await this.#childrenOf(parentId);
    await children.add(uuid, live);
  }

  /** How many children of that kind a row has. */
  async childCount(parentId: string): Promise<number> {
    const { children, uuid } = await this.#childrenOf(parentId);
    return children.count(uuid);
  }

  async #childrenOf(parentId: string): Promise<{ children: ScratchChildren; uuid: string }> {
    const { type, uuid } = decodeAnyId(parentId);
    if (!isParentType(type)) throw new Error(`A ${type} has no children of a made-up kind.`);
    const registered = this.#children.get(type) ?? ScratchChildren.register(this.#app, type);
    this.#children.set(type, registered);
    return { children: await registered, uuid };
  }
}
