import { expect } from 'vitest';
import { startTestApp, type TestApp } from '../../testkit/app.ts';
import type { Client } from '../../testkit/client.ts';
import { type CommandInput, Commands } from '../../testkit/commands.ts';
import { graphql } from '../../testkit/generated/gql.ts';
import type { GatewayFilter, GatewayOrder } from '../../testkit/generated/graphql.ts';
import { withSecret } from '../../testkit/keys.ts';
import { Seed } from '../../testkit/seed.ts';

const oneGateway = graphql(`
  query GatewayQuery($id: ID!) {
    gateway(id: $id) {
      id
      name
      version
      address
      status
      inFlight
      registeredBy {
        credentialId
        name
      }
      key {
        id
      }
      tenant {
        id
      }
      registeredAt
      lastHeartbeatAt
      leftAt
      revision
    }
  }
`);

const listGateways = graphql(`
  query GatewaysQuery($filter: GatewayFilter, $orderBy: GatewayOrder) {
    gateways(first: 100, filter: $filter, orderBy: $orderBy) {
      totalCount
      edges {
        node {
          id
          status
        }
      }
    }
  }
`);

/** Writes what the programs heard, as they do every second. */
export const written = (...programs: TestApp[]) =>
  Promise.all(programs.map(({ app }) => app.services.gatewayHeartbeats.flush()));

/** A program, and what tests of gateways do there. */
export async function startGateways() {
  const app = await startTestApp();
  const { operator } = app;
  const seed = new Seed(app);
  const commands = new Commands(app.app.schema);
  const findGateway = async (id: string, client: Client = operator) =>
    (await client.run(oneGateway, { id })).gateway ?? undefined;
  return {
    app,
    seed,
    findGateway,
    gatewayOf: async (id: string, client?: Client) => {
      const gateway = await findGateway(id, client);
      if (gateway === undefined) throw new Error('There is no such gateway.');
      return gateway;
    },
    idsOf: async (variables: { filter?: GatewayFilter; orderBy?: GatewayOrder } = {}, client: Client = operator) => {
      const { gateways } = await client.run(listGateways, variables);
      expect(gateways.totalCount).toBe(gateways.edges.length);
      return gateways.edges.map(({ node }) => node.id);
    },
    register: (client: Client, input: CommandInput) => commands.runPartly(client, 'registerGateway', input),
    deregister: (client: Client, gatewayId: string) => commands.runPartly(client, 'deregisterGateway', { gatewayId }),
    beat: (client: Client, gatewayId: string, rest: CommandInput = {}) =>
      commands.runPartly(client, 'gatewayHeartbeat', { gatewayId, inFlight: 0, ...rest }),
    /** A gateway with the key that registered it, as the key's holder. */
    newGateway: async (tenantId?: string) => {
      const { gateway, key } = await seed.gatewayOfKey(tenantId);
      return { ...gateway, key, client: withSecret(app, key.secret) };
    },
  };
}
