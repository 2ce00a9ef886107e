import { describe, expect, it } from 'vitest';
import { keyKinds } from '../../../src/access/principal.ts';
import { scopeNames, scopeTemplates } from '../../../src/access/scopes.ts';
import { newId } from '../../../src/graph/ids.ts';
import { startTestApp } from '../../testkit/app.ts';
import { expectNoFailures } from '../../testkit/bad-input.ts';
import { Commands } from '../../testkit/commands.ts';
import { graphql } from '../../testkit/generated/gql.ts';

const app = await startTestApp();
const commands = new Commands(app.app.schema);
expectNoFailures(app);

const registry = graphql(`
  query ScopesRegistry {
    scopeRegistry {
      scopes {
        name
        description
        keyKinds
        isClientSafe
        templates
      }
      byKeyKind {
        kind
        scopes {
          name
        }
      }
      templates {
        name
        description
        scopes {
          name
        }
      }
    }
  }
`);

const { scopes, byKeyKind, templates } = (await app.operator.run(registry)).scopeRegistry;
const namesOf = (list: readonly { readonly name: string }[]) => list.map(({ name }) => name);
const heldBy = (kind: string) => namesOf(byKeyKind.find((each) => each.kind === kind)?.scopes ?? []);

/** The scopes of Octomil's contract: those that gateways enforce. */
const octomils = [
  'catalog:read',
  'models:read',
  'models:write',
  'devices:register',
  'devices:heartbeat',
  'control:refresh',
  'telemetry:write',
  'rollouts:read',
  'rollouts:write',
  'benchmarks:write',
  'evals:write',
  'cloud:inference',
  'cloud:credentials',
];

describe('the registry of scopes', () => {
  it('has every scope once, described, and a view for every kind of key', () => {
    expect(namesOf(scopes)).toEqual(scopeNames);
    expect(scopes.filter(({ description }) => description.length < 10)).toEqual([]);
    expect(byKeyKind.map(({ kind }) => kind)).toEqual(Object.keys(keyKinds));
    expect(namesOf(templates)).toEqual(Object.keys(scopeTemplates).map((name) => name.toUpperCase()));
  });

  it("has Octomil's thirteen scopes of inference, exactly", () => {
    const ofInference = scopes.filter(({ description }) => description.startsWith('Inference: '));
    expect(namesOf(ofInference)).toEqual(octomils);
  });

  it('lets publishable keys hold the four that are safe in a client, and no others', () => {
    const safe = ['models:read', 'devices:register', 'devices:heartbeat', 'telemetry:write'];
    expect(heldBy('PUBLISHABLE')).toEqual(safe);
    expect(namesOf(scopes.filter(({ isClientSafe }) => isClientSafe))).toEqual(safe);
  });

  it("keeps what manages providers' credentials for the deployment and for tenants", () => {
    expect(scopes.find(({ name }) => name === 'cloud:credentials')?.keyKinds).toEqual(['ADMIN', 'TENANT']);
  });

  it('says the same in each of its three parts', () => {
    for (const { name, keyKinds: kinds, templates: inTemplates } of scopes) {
      expect([name, kinds]).toEqual([
        name,
        byKeyKind.filter((each) => namesOf(each.scopes).includes(name)).map(({ kind }) => kind),
      ]);
      expect([name, inTemplates]).toEqual([
        name,
        namesOf(templates.filter((each) => namesOf(each.scopes).includes(name))),
      ]);
    }
  });

  it('has the templates that Octomil is known for', () => {
    const scopesOf = (template: string) => namesOf(templates.find(({ name }) => name === template)?.scopes ?? []);
    expect(scopesOf('READ_ONLY')).toEqual(scopeNames.filter((name) => name.endsWith(':read')));
    expect(scopesOf('CI_DEPLOY')).toEqual(['models:read', 'models:write', 'rollouts:read', 'rollouts:write']);
    expect(new Set(scopesOf('DEVICE_RUNTIME'))).toEqual(new Set([...heldBy('PUBLISHABLE'), 'control:refresh']));
    expect(scopesOf('SERVER_INFERENCE')).toEqual(['cloud:inference', 'catalog:read', 'models:read']);
    expect(new Set(scopesOf('DEPLOYMENT_ADMIN'))).toEqual(new Set(scopeNames));
  });

  it('can be read by any credential, with no scope and of no tenant or some, and by nobody without one', async () => {
    const tenantId = newId();
    for (const principal of [
      { kind: 'ADMIN' },
      { kind: 'LOGIN', tenantId },
      { kind: 'PUBLISHABLE', tenantId },
    ] as const) {
      const caller = app.as({ ...principal, scopes: new Set() });
      expect(await caller.run(registry)).toEqual({ scopeRegistry: { scopes, byKeyKind, templates } });
    }
    expect((await app.anonymous.send(registry)).status).toBe(401);
  });

  it.each(Object.keys(keyKinds))('is what createKey keeps to: %s', async (kind) => {
    const others = scopeNames.filter((name) => !heldBy(kind).includes(name));
    if (others.length === 0) return expect(kind).toBe('ADMIN');
    const answer = await commands.run(app.operator, 'createKey', {
      kind,
      name: 'Never stored',
      scopes: [...scopeNames],
    });
    const refused = answer.issues?.find(({ rule }) => rule === 'SCOPE_NOT_ALLOWED_FOR_KIND');
    expect(refused?.message).toBe(`A key of kind ${kind} cannot hold ${others.join(', ')}.`);
  });
});
