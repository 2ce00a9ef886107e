import { startTestApp, type TestApp } from '../../testkit/app.ts';
import { Client } from '../../testkit/client.ts';
import { TestClock } from '../../testkit/clock.ts';
import { graphql } from '../../testkit/generated/gql.ts';
import { OpenIdProvider, type SigningKey, signingKey, type TokenOptions } from '../../testkit/openid-provider.ts';

export const loginViewer = graphql(`
  query LoginViewer {
    viewer {
      kind
      name
      credentialId
      role
      scopes
      keyId
      tenantId
      userId
      expiresAt
      usesRetiringSecret
      retiringUntil
    }
  }
`);

/** The audience of tokens that name their tenant in a claim. */
export const audience = 'https://fairlead.example/graphql';
export const tenantClaim = 'https://example.com/tenant';

export interface Logins {
  readonly test: TestApp;
  readonly provider: OpenIdProvider;
  /** Another program on the same database, configured alike. */
  replica(): Promise<TestApp>;
  /** A caller with this token. */
  bearer(token: string): Client;
  /** A caller with a new token of the provider. */
  login(options?: Partial<TokenOptions>): Promise<Client>;
  /** What a caller is turned away with; nothing when it is let in. */
  refusal(caller: Client): Promise<unknown>;
}

/** A program that accepts the tokens of a provider, whose clock stands at the present since the provider's does not. */
export async function startLogins(entries: readonly object[] = [], keys?: readonly SigningKey[]): Promise<Logins> {
  const provider = await OpenIdProvider.start(keys ?? [await signingKey('first')]);
  const issuers = [{ audience, tenantClaim }, ...entries].map((entry) => ({ issuer: provider.issuer, ...entry }));
  const environment = { FAIRLEAD_OIDC_ISSUERS: JSON.stringify(issuers) };
  const test = await startTestApp({ clock: new TestClock(new Date().toISOString()), environment });
  const bearer = (token: string) => new Client(test.app.url, { authorization: `Bearer ${token}` });
  return {
    test,
    provider,
    replica: () => startTestApp({ clock: test.clock, environment, sameDatabaseAs: test }),
    bearer,
    login: async (options = {}) => bearer(await provider.token({ audience, ...options })),
    refusal: async (caller) => {
      const { status, errors } = await caller.send('{ __typename }');
      return status === 401 ? errors?.[0]?.extensions.reason : undefined;
    },
  };
}
