import { beforeEach, describe, expect, it } from 'vitest';
import { decodeId } from '../../../src/graph/ids.ts';
import { startTestApp } from '../../testkit/app.ts';
import { expectNoFailures } from '../../testkit/bad-input.ts';
import type { Client } from '../../testkit/client.ts';
import { graphql } from '../../testkit/generated/gql.ts';
import type { ModelFilter, ModelOrder } from '../../testkit/generated/graphql.ts';
import { missingModel, missingTenant } from '../../testkit/ids.ts';
import { Seed } from '../../testkit/seed.ts';
import { recordsStatements, statementsOf } from '../../testkit/statements.ts';
import { modelCases } from './cases.ts';

const app = await startTestApp();
const { operator, clock } = app;
const seed = new Seed(app);
expectNoFailures(app);
// Time stands still, so what a caller may spend does not come back by itself.
beforeEach(() => clock.advance(600_000));

const oneModel = graphql(`
  query ModelQuery($id: ID, $name: String) {
    model(id: $id, name: $name) {
      id
      name
      description
      type
      prices {
        inputTokenUsd
        outputTokenUsd
        imageUsd
        audioSecondUsd
        characterUsd
      }
      admissionWeightPercent
      isEnabled
      revision
    }
  }
`);

const listModels = graphql(`
  query ModelsQuery($filter: ModelFilter, $orderBy: ModelOrder) {
    models(first: 100, filter: $filter, orderBy: $orderBy) {
      totalCount
      edges {
        node {
          id
          name
        }
      }
    }
  }
`);

async function idsOf(
  variables: { filter?: ModelFilter; orderBy?: ModelOrder } = {},
  client: Client = operator,
): Promise<string[]> {
  const { models } = await client.run(listModels, variables);
  const ids = models.edges.map(({ node }) => node.id);
  expect(models.totalCount).toBe(ids.length);
  return ids;
}

describe('a model', () => {
  it('is a chat model without prices and of full weight unless it says otherwise', async () => {
    const { id } = await seed.model({ name: 'Plain-1' });
    const free = { inputTokenUsd: '0', outputTokenUsd: '0', imageUsd: '0', audioSecondUsd: '0', characterUsd: '0' };
    expect((await operator.run(oneModel, { id })).model).toEqual({
      id,
      name: 'Plain-1',
      description: '',
      type: 'CHAT',
      prices: free,
      admissionWeightPercent: 100,
      isEnabled: true,
      revision: 1,
    });
  });

  it('has its prices exactly as they were given, however small, and those that a change leaves out stay', async () => {
    const prices = {
      inputTokenUsd: '0.000000000001',
      outputTokenUsd: '0.00000015',
      imageUsd: '100000',
      audioSecondUsd: '0.1',
      characterUsd: '0.000015',
    };
    const { id } = await seed.model({ prices });
    expect((await operator.run(oneModel, { id })).model?.prices).toEqual(prices);
    await seed.run('updateModel', { modelId: id, prices: { imageUsd: '0.040' } });
    expect((await operator.run(oneModel, { id })).model?.prices).toEqual({ ...prices, imageUsd: '0.04' });
  });

  it('is found by id and by name in any case, and null where there is none', async () => {
    const { id } = await seed.model({ name: 'Éclair-4' });
    const ways: { id?: string; name?: string }[] = [{ id }, { name: ' éCLAIR-4' }, { name: 'e\u0301clair-4' }];
    for (const by of ways) expect((await operator.run(oneModel, by)).model).toMatchObject({ id });
    const nowhere: { id?: string; name?: string }[] = [{ id: missingModel }, { name: 'eclair-4' }, { name: '' }];
    for (const by of nowhere) expect(await operator.run(oneModel, by)).toEqual({ model: null });
  });

  it.each([
    ['neither id nor name', {}, 'CONFLICTING_ARGUMENTS'],
    ['both id and name', { id: missingModel, name: 'a' }, 'CONFLICTING_ARGUMENTS'],
    ['the id of a tenant', { id: missingTenant }, 'WRONG_ID_TYPE'],
    ['a text that is no id', { id: 'gpt' }, 'MALFORMED_ID'],
    ['a name with NUL', { name: '\u0000' }, 'BAD_USER_INPUT'],
  ])('is not found by %s', async (_case, by, code) => {
    const errors = await operator.fail(oneModel, by);
    expect(errors.map(({ extensions }) => extensions.code)).toEqual([code]);
  });
});

describe('models', () => {
  it('are those that meet every condition of a filter', async () => {
    const before = clock.now();
    clock.advance(1_000);
    const chat = await seed.model({ name: 'filtered-chat' });
    const image = await seed.model({ name: 'Filtered-image', type: 'IMAGE', isEnabled: false });
    const from = clock.now();
    clock.advance(1_000);
    const vectors = await seed.model({ name: 'vectors-filtered', type: 'EMBEDDING' });
    const name = { contains: 'FILTERED' };
    const expected: readonly (readonly [ModelFilter, readonly { id: string }[]])[] = [
      [{ name }, [chat, image, vectors]],
      [{ name: { startsWith: 'filtered' } }, [chat, image]],
      [{ name: { equals: 'filtered-IMAGE' } }, [image]],
      [{ name, types: ['IMAGE', 'EMBEDDING'] }, [image, vectors]],
      [{ name, types: [] }, []],
      [{ name, isEnabled: true }, [chat, vectors]],
      [{ name, isEnabled: false }, [image]],
      [{ name, isEnabled: false, types: ['CHAT'] }, []],
      [{ name, createdAt: { from: from.toISOString(), until: null } }, [chat, image, vectors]],
      [{ name, createdAt: { until: clock.now().toISOString() } }, [chat, image]],
      [{ name, createdAt: { until: before.toISOString() } }, []],
    ];
    for (const [filter, found] of expected) expect(await idsOf({ filter })).toEqual(found.map(({ id }) => id));
  });

  it.each(['NAME', 'CREATED_AT'] as const)('are sorted by %s in both directions', async (field) => {
    const made: { id: string; key: string }[] = [];
    for (const prefix of ['c', 'A', 'b']) {
      clock.advance(5);
      const { id, name } = await seed.model({ name: `${prefix} sorted by ${field}` });
      made.push({ id, key: field === 'NAME' ? name.toLowerCase() : clock.now().toISOString() });
    }
    const ascending = made.toSorted((one, other) => (one.key < other.key ? -1 : 1)).map(({ id }) => id);
    const filter = { name: { contains: `sorted by ${field}` } };
    expect(await idsOf({ filter, orderBy: { field, direction: 'ASC' } })).toEqual(ascending);
    expect(await idsOf({ filter, orderBy: { field, direction: 'DESC' } })).toEqual(ascending.toReversed());
  });
});

describe('a tenant', () => {
  it('sees the models of its allow-list with their prices, as they are written there, and no others', async () => {
    const listed = await seed.model({ name: 'Listed-1', prices: { inputTokenUsd: '0.00000015' }, isEnabled: false });
    const other = await seed.model({ name: 'unlisted-1' });
    const inAnotherCase = await seed.model({ name: 'Listed-2' });
    const tenant = await seed.tenant({ allowedModels: ['Listed-1', 'listed-2', 'not there yet'] });
    const client = app.ofTenant(decodeId('Tenant', tenant.id), 'registry:read');
    expect(await idsOf({}, client)).toEqual([listed.id]);
    const { model } = await client.run(oneModel, { name: 'listed-1' });
    expect(model).toMatchObject({ prices: { inputTokenUsd: '0.00000015' }, isEnabled: false });
    for (const { id } of [other, inAnotherCase]) expect(await client.run(oneModel, { id })).toEqual({ model: null });
    await seed.run('updateTenant', { tenantId: tenant.id, allowedModels: ['unlisted-1'] });
    expect(await idsOf({}, client)).toEqual([other.id]);
  });

  it('without an allow-list sees every model, and so do its users and products', async () => {
    const user = await seed.user();
    const tenantId = decodeId('Tenant', user.tenantId);
    const all = await idsOf();
    expect(all.length).toBeGreaterThan(1);
    const scopes = new Set(['registry:read'] as const);
    expect(await idsOf({}, app.as({ kind: 'TENANT', tenantId, scopes }))).toEqual(all);
    const asUser = app.as({ kind: 'USER', tenantId, userId: decodeId('User', user.id), scopes });
    expect(await idsOf({}, asUser)).toEqual(all);
  });

  it('changes no model, whatever scopes its credential is given', async () => {
    const model = await seed.model();
    const tenantId = decodeId('Tenant', (await seed.tenant()).id);
    const client = app.ofTenant(tenantId, 'registry:read', 'registry:write');
    const update = 'mutation ($id: ID!) { updateModel(input: { modelId: $id, isEnabled: false }) { __typename } }';
    const { errors } = await client.send(update, { id: model.id });
    expect(errors?.map(({ extensions }) => extensions.code)).toEqual(['FORBIDDEN']);
  });
});

recordsStatements(app, seed, modelCases);

it('a page of models sends these statements, however many there are', async () => {
  const query = '{ models(first: 100) { totalCount edges { node { name prices { inputTokenUsd } } } } }';
  const sent = async () => (await statementsOf(app, () => operator.send(query))).toSorted();
  const few = await sent();
  expect(few).toMatchSnapshot();
  for (let index = 0; index < 10; index += 1) await seed.model();
  expect(await sent()).toEqual(few);
});
