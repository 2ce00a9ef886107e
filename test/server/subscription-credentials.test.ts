import { describe, expect, it } from 'vitest';
import { startTestApp } from '../testkit/app.ts';
import { follow, type Transport } from '../testkit/follow.ts';
import { graphql } from '../testkit/generated/gql.ts';
import { makeKey, withSecret } from '../testkit/keys.ts';
import { Seed } from '../testkit/seed.ts';

const app = await startTestApp();
const seed = new Seed(app);
const { id: tenantId } = await seed.tenant();

const tail = graphql(`
  subscription SubscriptionCredentialsTail {
    auditTail {
      action
    }
  }
`);

const second = 1_000;

/** What ends a credential, or makes less of it. */
const endings: readonly (readonly [string, (keyId: string) => Promise<unknown>])[] = [
  ['is revoked', (keyId) => seed.run('revokeKey', { keyId })],
  ['is disabled', (keyId) => seed.run('disableKey', { keyId })],
  ['is deleted', (keyId) => seed.run('deleteKey', { keyId })],
  ['loses a scope', (keyId) => seed.run('updateKey', { keyId, scopes: ['teams:read'] })],
  ['expires', async () => app.clock.advance(60 * second)],
];

describe.each<Transport>(['WebSocket', 'SSE'])('a subscription over %s', (transport) => {
  it.each(endings)('gives nothing more once its key %s', async (how, end) => {
    const expiresAt = new Date(app.clock.now().getTime() + 60 * second).toISOString();
    const { key, secret } = await makeKey(app.operator, {
      kind: 'TENANT',
      name: 'follower',
      tenantId,
      scopes: ['audit:read', 'teams:read'],
      expiresAt,
    });
    const following = await follow(app.app, withSecret(app, secret), tail, {}, transport);
    await seed.team({ tenantId });
    // That its key was made may still be on its way when it begins.
    const heard = [await following.next()];
    if (heard[0]?.auditTail.action === 'createKey') heard.push(await following.next());
    expect(heard.at(-1)).toEqual({ auditTail: { action: 'createTeam' } });
    await end(key.id);
    await seed.team({ tenantId });
    const ended = await following.next().catch((error: unknown) => error);
    // Of a result that has errors, the test kit says which by an error of its own.
    const failure = ended instanceof Error && 'actual' in ended ? ended.actual : ended;
    const isClosed = transport === 'WebSocket' && how !== 'loses a scope';
    expect(failure).toMatchObject(isClosed ? { code: 4401 } : [{ extensions: { code: 'UNAUTHENTICATED' } }]);
    await following.stop();
  });
});
