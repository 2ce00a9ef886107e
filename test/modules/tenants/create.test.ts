import { describe, expect, it } from 'vitest';
import { startTestApp } from '../../testkit/app.ts';
import { expectNoFailures } from '../../testkit/bad-input.ts';
import { Commands } from '../../testkit/commands.ts';
import { graphql } from '../../testkit/generated/gql.ts';
import { defaultGroup } from '../../testkit/ids.ts';
import { Seed } from '../../testkit/seed.ts';
import { commandCases } from '../commands.ts';

const app = await startTestApp();
const { operator } = app;
const seed = new Seed(app);
const commands = new Commands(app.app.schema);
expectNoFailures(app);

const createTenant = graphql(`
  mutation CreateTenant($input: CreateTenantInput!) {
    createTenant(input: $input) {
      __typename
      ... on CreateTenantPayload {
        tenant {
          id
          name
          weight
          status
          fairshareGroup {
            name
          }
          revision
        }
      }
      ... on UserError {
        code
        message
        path
      }
    }
  }
`);

describe('createTenant', () => {
  it('makes an active tenant of weight 100 in the group default, its name trimmed', async () => {
    const { createTenant: answer } = await operator.run(createTenant, { input: { name: '  Acme  ' } });
    expect(answer).toEqual({
      __typename: 'CreateTenantPayload',
      tenant: {
        id: expect.stringMatching(/^tnt_[0-9a-z]{26}$/),
        name: 'Acme',
        weight: 100,
        status: 'ACTIVE',
        fairshareGroup: { name: 'default' },
        revision: 1,
      },
    });
  });

  it('stores every value as it was given, and fills in what was not', async () => {
    const input = await commandCases.createTenant?.valid(seed);
    const { id } = (await seed.run('createTenant', input ?? {})).tenant as { id: string };
    const now = app.clock.now().toISOString();
    // An empty update reads the row again.
    expect((await seed.run('updateTenant', { tenantId: id })).tenant).toEqual({
      ...input,
      id,
      status: 'ACTIVE',
      fairshareGroup: expect.objectContaining({ id: defaultGroup, isDefault: true }),
      limits: {
        requestsPerMinute: 60,
        tokensPerMinute: 5_000_000_000,
        tokensPerDay: Number.MAX_SAFE_INTEGER,
        maxInFlight: 0,
        budget: { tokens: 1_000_000_000_000, costUsd: '12.500001', period: 'TERM', startedAt: now },
      },
      guardrailsPolicy: {
        action: 'REDACT',
        scanners: ['pii'],
        guardModel: 'guard-1',
        banKeywords: ['secret'],
        failOpen: false,
      },
      revision: 1,
      createdAt: now,
      updatedAt: now,
    });
  });

  it('takes null for what may be absent', async () => {
    const nothing = {
      activeFrom: null,
      activeUntil: null,
      weeklyWindows: null,
      allowedModels: null,
      guardrailsPolicy: null,
    };
    const limits = {
      requestsPerMinute: null,
      tokensPerMinute: null,
      tokensPerDay: null,
      maxInFlight: null,
      budget: null,
    };
    const { tenant } = await seed.run('createTenant', {
      name: seed.name(),
      fairshareGroupId: null,
      ...nothing,
      limits,
    });
    expect(tenant).toMatchObject({ ...nothing, limits });
    expect((await seed.run('createTenant', { name: seed.name(), limits: null })).tenant).toMatchObject({ limits });
  });

  it.each([
    ['emoji of several code points', '👩‍👩‍👧‍👦 Family 🏳️‍🌈'],
    ['right-to-left text', 'שלום עולם'],
    ['characters beyond the basic plane', '𝔘𝔫𝔦𝔠𝔬𝔡𝔢'],
    ['combining characters', 'Z̷̡̛a̴l̶g̸o̵'],
    ['quotes and markup', `O'Brien "<b>&amp;</b>" \\ ; DROP TABLE tenant; --`],
    ['255 characters of four bytes', '😀'.repeat(255)],
    ['255 characters that are 4,590 when they are compared', 'ﷺ'.repeat(255)],
  ])('keeps a name of %s as it is, and finds it again', async (_kind, name) => {
    const { id } = await seed.tenant({ name });
    const found = await operator.send<{ tenant: object }, object>(
      'query ($name: String!) { tenant(name: $name) { id name } }',
      { name },
    );
    expect(found.data).toEqual({ tenant: { id, name } });
  });

  it('keeps the longest names that differ most, whatever their length when they are compared', async () => {
    const expansions = Array.from({ length: 0x1_f300 }, (_, point) => String.fromCodePoint(point))
      .filter((character) => character.isWellFormed() && /^\p{L}|\p{S}$/u.test(character))
      .map((character) => ({ character, bytes: Buffer.byteLength(character.normalize('NFKC')) }))
      .toSorted((one, other) => other.bytes - one.bytes)
      .slice(0, 255);
    const name = expansions.map(({ character }) => character).join('');
    expect([...name]).toHaveLength(255);
    expect((await commands.run(operator, 'createTenant', { name })).__typename).toBe('CreateTenantPayload');
  });

  it.each([
    ['case', 'Straßenbau Grün', 'STRASSENBAU', 'straßenbau GRÜN'],
    ['composition', 'Cafe\u0301', 'Cafe', 'Caf\u00e9'],
    ['width', 'ＷＩＤＥ name', 'ＷＩＤＥ', 'wide name'],
    ['ligatures', 'Oﬃce', 'Ofce', 'OFFICE'],
    ['blanks around it', ' Padded\u00a0', 'Padde', 'padded'],
    ['the kind of the blanks in it', 'Two\u00a0words', 'Twowords', 'two words'],
  ])('takes names that differ in %s for one name', async (_kind, name, different, same) => {
    await seed.tenant({ name });
    await seed.tenant({ name: different });
    const answer = await commands.run(operator, 'createTenant', { name: same });
    expect(answer).toMatchObject({ code: 'NAME_TAKEN', path: ['name'] });
  });

  it('gives the name of a deleted tenant to another one', async () => {
    const { id, name } = await seed.tenant();
    await seed.run('deleteTenant', { tenantId: id });
    expect((await seed.tenant({ name })).id).not.toBe(id);
  });

  it('keeps a tenant and a group of the same name apart', async () => {
    const { name } = await seed.group();
    expect((await seed.tenant({ name })).name).toBe(name);
  });
});
