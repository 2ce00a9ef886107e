import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { decodeId, encodeId, newId } from '../../../src/graph/ids.ts';
import { startTestApp } from '../../testkit/app.ts';
import { askForLimits, askToExplain, explain, layersOf, limitsFor, type TestLayer } from '../../testkit/explain.ts';
import { Gate, modelWith } from '../../testkit/gate.ts';
import { graphql } from '../../testkit/generated/gql.ts';
import { Seed } from '../../testkit/seed.ts';
import { statementsOf } from '../../testkit/statements.ts';

// Time stands still, so what is used counts throughout, and what a caller may spend does not come back by itself.
const app = await startTestApp({ environment: { FAIRLEAD_COST_CAPACITY: '1000000000' } });
const seed = new Seed(app);
const gate = new Gate(app.operator);
const inference = { scopes: ['cloud:inference'] };

afterAll(() => expect(app.logged).toEqual([]));

/** A tenant with one of everything that has limits. */
async function makeEverybody() {
  const { id: tenantId } = await seed.tenant({
    limits: { requestsPerMinute: 100, tokensPerDay: 5_000, maxInFlight: 9 },
  });
  const team = await seed.team({
    tenantId,
    limits: { requestsPerMinute: 10, maxInFlight: 4, budget: { costUsd: '3', period: 'LIFETIME' } },
    userSharePercent: 50,
  });
  const user = await seed.user({ tenantId, teamId: team.id, limits: { tokensPerMinute: 900 } });
  const product = await seed.product({ tenantId, limits: { requestsPerMinute: 20 } });
  const ofUser = await seed.key({ kind: 'USER', userId: user.id, ...inference, limits: { requestsPerMinute: 7 } });
  const ofProduct = await seed.key({ kind: 'PRODUCT', productId: product.id, ...inference });
  return {
    tenantId,
    teamId: team.id,
    userId: user.id,
    productId: product.id,
    ofUser: ofUser.id,
    ofProduct: ofProduct.id,
  };
}

let those: Awaited<ReturnType<typeof makeEverybody>>;
beforeAll(async () => {
  those = await makeEverybody();
  const model = await modelWith(app, seed, 9, { prices: { inputTokenUsd: '0.1' } });
  const wanted = { model: model.name, estimatedInputTokens: 5, estimatedOutputTokens: 15 };
  // Held throughout: one of the user's and one of the product's.
  for (const keyId of [those.ofUser, those.ofProduct]) await gate.admit({ ...wanted, keyId, leaseSeconds: 3_600 });
});

const brief = ({ owner, limit, used }: TestLayer) => `${owner.type} ${used} of ${limit}`;

describe('the limits', () => {
  it.each([
    ['tenantId', ['TENANT 2 of 100']],
    ['teamId', ['TEAM 1 of 10', 'TENANT 2 of 100']],
    ['userId', ['USER null of null', 'TEAM_USER_SHARE 1 of 5', 'TEAM 1 of 10', 'TENANT 2 of 100']],
    ['productId', ['PRODUCT 1 of 20', 'TENANT 2 of 100']],
    ['ofUser', ['KEY 1 of 7', 'USER null of null', 'TEAM_USER_SHARE 1 of 5', 'TEAM 1 of 10', 'TENANT 2 of 100']],
    ['ofProduct', ['KEY null of null', 'PRODUCT 1 of 20', 'TENANT 2 of 100']],
  ] as const)('of %s are its own and those of all above, with what is used of each', async (whose, expected) => {
    const layers = layersOf(await limitsFor(app.operator, those[whose]), 'REQUESTS_PER_MINUTE');
    expect(layers.map(brief)).toEqual(expected);
  });

  it("of a user say what one may take of the team's, with how many percent that is and where each value comes from", async () => {
    const limits = await limitsFor(app.operator, those.userId);
    expect(layersOf(limits, 'MAX_IN_FLIGHT')).toMatchObject([
      { owner: { type: 'USER', id: those.userId }, source: 'NONE', limit: null, used: null, isBinding: false },
      {
        owner: { type: 'TEAM_USER_SHARE', id: those.teamId, userId: those.userId },
        source: 'USER_SHARE',
        sharePercent: 50,
        limit: '2',
        used: '1',
        remaining: '1',
        isBinding: true,
      },
      { owner: { type: 'TEAM', id: those.teamId }, source: 'OWN', sharePercent: null, limit: '4', used: '1' },
      { owner: { type: 'TENANT', id: those.tenantId }, source: 'OWN', limit: '9', used: '2', isBinding: false },
    ]);
    expect(layersOf(limits, 'BUDGET_COST_USD')).toMatchObject([
      { source: 'NONE' },
      { limit: '1.5', used: '0.5', remaining: '1', isBinding: true },
      { limit: '3', used: '0.5', remaining: '2.5', isBinding: false },
      { source: 'NONE' },
    ]);
  });

  it('of a key bind where the least is left, whoever has the smaller limit', async () => {
    const { id: tenantId } = await seed.tenant({ limits: { tokensPerMinute: 60 } });
    const [busy, idle] = [await seed.key({ tenantId, ...inference }), await seed.key({ tenantId, ...inference })];
    await seed.run('updateKey', { keyId: idle.id, limits: { tokensPerMinute: 50 } });
    const bindingOf = async () =>
      layersOf(await limitsFor(app.operator, idle.id), 'TOKENS_PER_MINUTE').filter(({ isBinding }) => isBinding);
    expect(await bindingOf()).toMatchObject([{ owner: { type: 'KEY' }, remaining: '50' }]);
    const lease = await gate.admit({ keyId: busy.id });
    expect(await bindingOf()).toMatchObject([{ owner: { type: 'TENANT' }, limit: '60', remaining: '30' }]);
    await gate.cancel({ leaseId: lease.id });
    expect(await bindingOf()).toMatchObject([{ owner: { type: 'KEY' }, remaining: '50' }]);
  });

  it('count what was used before they were set and before this server started, without a word to the counters', async () => {
    const { id: tenantId } = await seed.tenant();
    const key = await seed.key({ tenantId, ...inference });
    await gate.settle((await gate.admit({ keyId: key.id })).id, { inputTokens: 60, outputTokens: 20 });
    await seed.run('setTenantLimits', { tenantId, limits: { tokensPerDay: 100, budget: { tokens: 100 } } });
    await app.app.services.admission.flush();
    // Those that count for nothing any more are swept away meanwhile.
    const counting = { OR: [{ expiresAt: null }, { expiresAt: { gt: app.clock.now() } }] };
    const counters = () => app.app.database.prisma.limitCounter.findMany({ where: counting, orderBy: { key: 'asc' } });
    const before = await counters();
    const limits = await limitsFor(app.operator, tenantId);
    expect(layersOf(limits, 'TOKENS_PER_DAY')).toMatchObject([{ limit: '100', used: '80', remaining: '20' }]);
    const { verdict, refusal } = await explain(app.operator, { keyId: key.id });
    expect({ verdict, code: refusal?.code }).toEqual({ verdict: 'REFUSE', code: 'DAILY_TOKENS' });
    await app.app.services.admission.flush();
    expect(await counters()).toEqual(before);
  });

  it('of a key of no tenant are none, since no request is admitted for it', async () => {
    const { id } = await seed.key({ kind: 'ADMIN', ...inference });
    expect(await limitsFor(app.operator, id)).toEqual([]);
    expect(await explain(app.operator, { keyId: id })).toMatchObject({
      refusal: { code: 'TENANT_REQUIRED' },
      tenantId: null,
      limits: [],
      fairness: null,
    });
  });
});

describe('whoever belongs to a tenant', () => {
  const of = (id: string, ...scopes: Parameters<typeof app.ofTenant>[1][]) =>
    app.ofTenant(decodeId('Tenant', id), 'limits:read', ...scopes);

  it('sees the limits of its own, and of others exactly what it is told of those that do not exist', async () => {
    const stranger = of((await seed.tenant()).id);
    expect(await limitsFor(of(those.tenantId), those.userId)).toEqual(await limitsFor(app.operator, those.userId));
    for (const [id, type] of [
      [those.tenantId, 'Tenant'],
      [those.teamId, 'Team'],
      [those.userId, 'User'],
      [those.productId, 'Product'],
      [those.ofUser, 'ApiKey'],
    ] as const) {
      const answer = await askForLimits(stranger, id);
      expect(answer).toMatchObject({ __typename: 'NotFoundError', path: ['for'] });
      expect(answer).toEqual(await askForLimits(stranger, encodeId(type, newId())));
    }
    const wanted = { keyId: those.ofUser };
    expect(await askToExplain(stranger, wanted)).toMatchObject({ __typename: 'NotFoundError', path: ['keyId'] });
  });

  it('sees what the deployment sets for itself alone, and for all together with fairshare:totals', async () => {
    const ownersOf = async (client: typeof app.operator) => {
      const { limits } = await explain(client, { keyId: those.ofUser });
      return ['MAX_IN_FLIGHT', 'QUEUE_LENGTH'].map((name) =>
        layersOf(limits, name as 'QUEUE_LENGTH').flatMap(({ owner, source }) =>
          source === 'CAPACITY' ? [owner.type] : [],
        ),
      );
    };
    expect(await ownersOf(of(those.tenantId))).toEqual([[], ['TENANT']]);
    const all = [
      ['MODEL', 'DEPLOYMENT'],
      ['TENANT', 'MODEL'],
    ];
    expect(await ownersOf(of(those.tenantId, 'fairshare:totals'))).toEqual(all);
    expect(await ownersOf(app.operator)).toEqual(all);
  });

  it('sees with a key of its user the limits of that user, and no other key', async () => {
    const [tenantId, userId] = [decodeId('Tenant', those.tenantId), decodeId('User', those.userId)];
    const user = app.as({ kind: 'USER', tenantId, userId, scopes: new Set(['limits:read']) });
    expect(await limitsFor(user, those.ofUser)).toEqual(await limitsFor(app.operator, those.ofUser));
    expect(await explain(user, { keyId: those.ofUser })).toMatchObject({ userId: those.userId, teamId: those.teamId });
    expect(await askForLimits(user, those.ofProduct)).toMatchObject({ __typename: 'NotFoundError' });
    expect(await askToExplain(user, { keyId: those.ofProduct })).toMatchObject({ __typename: 'NotFoundError' });
  });
});

it.each(['tenantId', 'teamId', 'userId', 'productId', 'ofUser'] as const)(
  'whether somebody may see the limits of %s is found out with one statement, which reads that row',
  async (whose) => {
    await limitsFor(app.operator, those[whose]);
    const statements = await statementsOf(app, () => limitsFor(app.operator, those[whose]));
    expect(statements).toEqual([expect.stringMatching(/^SELECT .* FROM "\w+" AS t .*WHERE /)]);
  },
);

it('an id of something without limits is an error of the request, which says what has any', async () => {
  const { id } = await seed.model();
  const document = graphql(`
    query TestLimitsOfOther($for: ID!) {
      effectiveLimits(for: $for) {
        __typename
      }
    }
  `);
  const { errors } = await app.operator.send(document, { for: id });
  expect(errors?.map(({ message, extensions }) => [extensions.code, message])).toEqual([
    ['WRONG_ID_TYPE', `for: "${id}" is the id of a Model; limits are those of Tenant, Team, User, Product, ApiKey.`],
  ]);
  const { errors: malformed } = await app.operator.send(document, { for: 'nothing' });
  expect(malformed?.map(({ extensions }) => extensions.code)).toEqual(['MALFORMED_ID']);
});

it('owners lead to the rows that they are, for those who may read them', async () => {
  const document = graphql(`
    query TestLimitOwners($for: ID!) {
      effectiveLimits(for: $for) {
        ... on EffectiveLimits {
          limits {
            binding {
              owner {
                type
              }
            }
            layers {
              owner {
                type
                key {
                  id
                }
                user {
                  id
                }
                team {
                  id
                }
                product {
                  id
                }
                tenant {
                  id
                }
                model {
                  id
                }
              }
            }
          }
        }
      }
    }
  `);
  const { effectiveLimits } = await app.operator.run(document, { for: those.ofUser });
  const [first] = 'limits' in effectiveLimits ? effectiveLimits.limits : [];
  const none = { key: null, user: null, team: null, product: null, tenant: null, model: null };
  const [user, team] = [{ id: those.userId }, { id: those.teamId }];
  expect(first?.layers.map(({ owner }) => owner)).toEqual([
    { ...none, type: 'KEY', key: { id: those.ofUser } },
    { ...none, type: 'USER', user },
    { ...none, type: 'TEAM_USER_SHARE', user, team },
    { ...none, type: 'TEAM', team },
    { ...none, type: 'TENANT', tenant: { id: those.tenantId } },
  ]);
});

it('whoever is admitted is told of each limit the layer with the least left, if that is selected', async () => {
  const document = graphql(`
    mutation TestRemaining($input: AdmitRequestInput!) {
      admitRequest(input: $input) {
        ... on AdmitRequestPayload {
          lease {
            id
          }
          remaining {
            ...TestLimitUse
          }
        }
      }
    }
  `);
  const many = graphql(`
    mutation TestRemainingOfMany($input: AdmitRequestsInput!) {
      admitRequests(input: $input) {
        ... on AdmitRequestsPayload {
          results {
            lease {
              id
            }
            remaining {
              ...TestLimitUse
            }
          }
        }
      }
    }
  `);
  const { id: tenantId } = await seed.tenant({ limits: { requestsPerMinute: 8, tokensPerMinute: 100 } });
  const team = await seed.team({ tenantId, limits: { requestsPerMinute: 6 }, userSharePercent: 50 });
  const { id: userId, externalId } = await seed.user({ tenantId, teamId: team.id });
  const { id: keyId } = await seed.key({ tenantId, ...inference });
  const input = {
    keyId,
    userExternalId: externalId,
    model: 'any',
    estimatedInputTokens: 30,
    estimatedOutputTokens: 10,
  };
  const { admitRequest } = await app.operator.run(document, { input });
  const resetAt = new Date(app.clock.now().getTime() + 60_000).toISOString();
  expect(admitRequest).toMatchObject({
    remaining: [
      {
        owner: { type: 'TEAM_USER_SHARE', id: team.id, userId },
        name: 'REQUESTS_PER_MINUTE',
        limit: '3',
        used: '1',
        remaining: '2',
        resetAt,
      },
      {
        owner: { type: 'TENANT', id: tenantId },
        name: 'TOKENS_PER_MINUTE',
        limit: '100',
        used: '40',
        remaining: '60',
        resetAt,
      },
    ],
  });
  // Of many, each is told: what is left with all of those that were admitted.
  const { admitRequests } = await app.operator.run(many, { input: { requests: [input, input] } });
  const left = [
    { owner: { type: 'TEAM_USER_SHARE' }, used: '2', remaining: '1' },
    { owner: { type: 'TENANT' }, name: 'TOKENS_PER_MINUTE', used: '80', remaining: '20' },
  ];
  expect(admitRequests).toMatchObject({
    results: [
      { lease: { id: expect.any(String) }, remaining: left },
      { lease: null, remaining: null },
    ],
  });
});
