import { decodeId } from '../../src/graph/ids.ts';
import type { TestApp } from './app.ts';
import { ScratchChildren } from './children.ts';
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

/** Makes rows that a test starts from, through the graph, under names that no other row of the file has. */
export class Seed {
  readonly #app: TestApp;
  #count = 0;
  #children: Promise<ScratchChildren> | undefined;

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

  /** Gives a tenant a child of a made-up kind. */
  async addChild(tenantId: string, { live = true } = {}): Promise<void> {
    const children = await this.#registerChildren();
    await children.add(decodeId('Tenant', tenantId), live);
  }

  /** How many children of that kind a tenant has. */
  async childCount(tenantId: string): Promise<number> {
    const children = await this.#registerChildren();
    return children.count(decodeId('Tenant', tenantId));
  }

  #registerChildren(): Promise<ScratchChildren> {
    this.#children ??= ScratchChildren.register(this.#app);
    return this.#children;
  }
}
