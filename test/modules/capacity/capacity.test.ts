import { beforeEach, describe, expect, it } from 'vitest';
import { decodeId } from '../../../src/graph/ids.ts';
import type { Event } from '../../../src/live/event-bus.ts';
import { capacityChanged } from '../../../src/modules/capacity/service.ts';
import { startTestApp } from '../../testkit/app.ts';
import { expectNoFailures } from '../../testkit/bad-input.ts';
import { eventually } from '../../testkit/eventually.ts';
import { graphql } from '../../testkit/generated/gql.ts';
import { Seed } from '../../testkit/seed.ts';
import { recordsStatements, statementsOf } from '../../testkit/statements.ts';
import { capacityCases } from './cases.ts';

const app = await startTestApp();
const other = await startTestApp({ sameDatabaseAs: app, clock: app.clock });
const { operator, clock } = app;
const seed = new Seed(app);
for (const each of [app, other]) expectNoFailures(each);

const defaults = {
  deployment: null,
  modelDefault: null,
  queue: { poolMax: null, tenantMax: null, timeoutSeconds: null },
};
// Time stands still, so what a caller may spend does not come back by itself.
beforeEach(async () => {
  clock.advance(600_000);
  await seed.run('setCapacity', defaults);
  await seed.run('setFairshareAlgorithm', { algorithm: 'HIERARCHICAL' });
});

const capacityQuery = graphql(`
  query CapacityQuery {
    capacity {
      deployment {
        maxInFlight
        source
      }
      modelDefault {
        value
        source
      }
      queue {
        poolMax {
          value
          source
        }
        tenantMax {
          value
          source
        }
        timeoutSeconds {
          value
          source
        }
      }
      fairshareAlgorithm
    }
  }
`);

const ofModelQuery = graphql(`
  query CapacityOfModel($id: ID!) {
    model(id: $id) {
      capacity {
        maxInFlight
        source
      }
    }
  }
`);

const ofGatewayQuery = graphql(`
  query CapacityOfGateway($id: ID!) {
    gateway(id: $id) {
      capacity {
        maxInFlight
        source
        reportedMaxInFlight
        configuredMaxInFlight
      }
    }
  }
`);

const ofModel = async (id: string) => (await operator.run(ofModelQuery, { id })).model?.capacity;
const ofGateway = async (id: string) => (await operator.run(ofGatewayQuery, { id })).gateway?.capacity;
const byDefault = (value: number) => ({ value, source: 'DEFAULT' });
const configured = (value: number) => ({ value, source: 'CONFIGURED' });

describe('capacity', () => {
  it('is what the program begins with until somebody sets it, and again when it is set to null', async () => {
    const expected = {
      capacity: {
        deployment: { maxInFlight: 4_096, source: 'DEFAULT' },
        modelDefault: byDefault(32),
        queue: { poolMax: byDefault(1_000), tenantMax: byDefault(200), timeoutSeconds: byDefault(60) },
        fairshareAlgorithm: 'HIERARCHICAL',
      },
    };
    expect(await operator.run(capacityQuery)).toEqual(expected);
    await seed.run('setCapacity', {
      deployment: 0,
      modelDefault: 1,
      queue: { poolMax: 0, tenantMax: 3, timeoutSeconds: 3_600 },
    });
    await seed.run('setFairshareAlgorithm', { algorithm: 'WEIGHTED' });
    expect(await operator.run(capacityQuery)).toEqual({
      capacity: {
        deployment: { maxInFlight: 0, source: 'CONFIGURED' },
        modelDefault: configured(1),
        queue: { poolMax: configured(0), tenantMax: configured(3), timeoutSeconds: configured(3_600) },
        fairshareAlgorithm: 'WEIGHTED',
      },
    });
    await seed.run('setCapacity', { ...defaults, queue: { poolMax: null } });
    const { capacity } = await operator.run(capacityQuery);
    expect(capacity.queue).toEqual({
      poolMax: byDefault(1_000),
      tenantMax: configured(3),
      timeoutSeconds: configured(3_600),
    });
    expect(capacity.deployment).toEqual({ maxInFlight: 4_096, source: 'DEFAULT' });
  });

  it('set to what the default is stays that when another version has another default', async () => {
    await seed.run('setCapacity', { deployment: 4_096 });
    const { capacity } = await operator.run(capacityQuery);
    expect(capacity.deployment).toEqual({ maxInFlight: 4_096, source: 'CONFIGURED' });
  });

  it('of a model is its own when that was set, or else that of every such model', async () => {
    const { id: modelId } = await seed.model();
    expect(await ofModel(modelId)).toEqual({ maxInFlight: 32, source: 'MODEL_DEFAULT' });
    await seed.run('setCapacity', { modelDefault: 50 });
    expect(await ofModel(modelId)).toEqual({ maxInFlight: 50, source: 'MODEL_DEFAULT' });
    await seed.run('setCapacity', { model: { modelId, maxInFlight: 8 } });
    await seed.run('setCapacity', { model: { modelId, maxInFlight: 0 } });
    expect(await ofModel(modelId)).toEqual({ maxInFlight: 0, source: 'CONFIGURED' });
    await seed.run('setCapacity', { model: { modelId, maxInFlight: null } });
    expect(await ofModel(modelId)).toEqual({ maxInFlight: 50, source: 'MODEL_DEFAULT' });
  });

  it('of a gateway is what was set for it, and never more than the gateway says that it can', async () => {
    const { id: gatewayId } = await seed.gateway({ maxInFlight: 10 });
    const said = { reportedMaxInFlight: 10 };
    const steps: readonly (readonly [number | null, object])[] = [
      [null, { maxInFlight: 10, source: 'REPORTED', ...said, configuredMaxInFlight: null }],
      [4, { maxInFlight: 4, source: 'CONFIGURED', ...said, configuredMaxInFlight: 4 }],
      [40, { maxInFlight: 10, source: 'REPORTED', ...said, configuredMaxInFlight: 40 }],
      [0, { maxInFlight: 0, source: 'CONFIGURED', ...said, configuredMaxInFlight: 0 }],
    ];
    for (const [maxInFlight, expected] of steps) {
      await seed.run('setCapacity', { gateway: { gatewayId, maxInFlight } });
      expect(await ofGateway(gatewayId)).toEqual(expected);
    }
    const silent = await seed.gateway();
    const figures = { reportedMaxInFlight: null, configuredMaxInFlight: null };
    expect(await ofGateway(silent.id)).toEqual({ maxInFlight: null, source: 'UNLIMITED', ...figures });
    await seed.run('setCapacity', { gateway: { gatewayId: silent.id, maxInFlight: 6 } });
    expect(await ofGateway(silent.id)).toMatchObject({ maxInFlight: 6, source: 'CONFIGURED' });
  });

  it('goes with the model that it is for', async () => {
    const { id: modelId } = await seed.model();
    await seed.run('setCapacity', { model: { modelId, maxInFlight: 8 } });
    const { capacity } = app.app.services;
    const uuid = decodeId('Model', modelId);
    expect((await capacity.configured()).models.get(uuid)).toBe(8);
    await seed.run('deleteModel', { modelId });
    expect((await capacity.configured()).models.has(uuid)).toBe(false);
  });

  it('is the same on another replica, which hears of every change', async () => {
    const heard: Event[] = [];
    const stop = other.app.events.on(capacityChanged, (event) => heard.push(event));
    const { id: gatewayId } = await seed.gateway();
    const { capacity } = await seed.run('setCapacity', { deployment: 77, gateway: { gatewayId, maxInFlight: 5 } });
    await seed.run('setFairshareAlgorithm', { algorithm: 'WEIGHTED' });
    await seed.run('setFairshareAlgorithm', { algorithm: 'WEIGHTED' });
    await seed.run('setCapacity', {});
    await eventually(() => expect(heard.length).toBeGreaterThanOrEqual(2));
    stop();
    const { revision } = capacity as { revision: number };
    expect(heard.map(({ payload }) => payload)).toEqual([
      { command: 'setCapacity', revision },
      { command: 'setFairshareAlgorithm', revision: revision + 1 },
    ]);
    const there = await other.app.services.capacity.configured();
    expect(there.settings).toMatchObject({ deploymentMaxInFlight: 77, fairshareAlgorithm: 'WEIGHTED' });
    expect(there.gateways.get(decodeId('Gateway', gatewayId))).toBe(5);
  });

  it('counts changes that come at the same time one after the other', async () => {
    const before = (await app.app.services.capacity.settings()).revision;
    const answers = await Promise.all([11, 12, 13].map((deployment) => seed.run('setCapacity', { deployment })));
    const revisions = answers.map(({ capacity }) => (capacity as { revision: number }).revision);
    expect(revisions.toSorted((one, another) => one - another)).toEqual([before + 1, before + 2, before + 3]);
  });
});

recordsStatements(app, seed, capacityCases);

it('the capacities of many models are read with these statements, however many there are', async () => {
  const query = '{ models(first: 100) { edges { node { name capacity { maxInFlight source } } } } }';
  const sent = async () => {
    clock.advance(600_000);
    return (await statementsOf(app, () => operator.send(query))).toSorted();
  };
  await seed.model();
  const few = await sent();
  expect(few).toMatchSnapshot();
  for (let index = 0; index < 5; index += 1) await seed.model();
  expect(await sent()).toEqual(few);
});
