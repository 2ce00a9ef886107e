import { describe, expect, it } from 'vitest';
import { startTestApp } from '../../testkit/app.ts';
import type { RawAnswer } from '../../testkit/raw-http.ts';
import {
  comparable,
  directOperations,
  json,
  page,
  repetitions,
  send,
  sendToYoga,
  startPoor,
  warmedUp,
} from './lane.ts';

const test = await warmedUp(await startTestApp());
const poor = await startPoor(test);
const { operator, anonymous } = test;

describe('the direct lane', () => {
  it('refuses what the budget does not allow with 429, as yoga does', async () => {
    const client = poor.withScopes('tenants:read');
    for (const first of [50, 40]) await sendToYoga(client, json(page, { first }));
    const expected = await sendToYoga(client, json(page, { first: 24 }));
    expect(expected).toMatchObject({ status: 429, headers: expect.arrayContaining([['retry-after', '17']]) });
    const before = await directOperations(poor);
    expect(await send(client, json(page, { first: 24 }))).toEqual(expected);
    expect((await directOperations(poor)) - before).toBe(1);
  });

  it('spends from the same budget as yoga', async () => {
    const client = poor.withScopes('tenants:read');
    const remaining = async (answer: Promise<RawAnswer>) => /"remaining":(\d+)/.exec((await answer).body)?.[1];
    expect(await remaining(sendToYoga(client, json(page, { first: 9 })))).toBe('90');
    expect(await remaining(send(client, json(page, { first: 9 })))).toBe('80');
    expect(await remaining(sendToYoga(client, json(page, { first: 9 })))).toBe('70');
  });

  it('counts and times what it carries out as yoga does', async () => {
    const counted = async () => {
      const { values } = await test.app.metrics.operationSeconds.get();
      const cost = (await test.app.metrics.operationCost.get()).values[0]?.value ?? 0;
      const of = (outcome: string) =>
        values.find(
          ({ metricName, labels }) =>
            metricName?.endsWith('_count') && labels.type === 'query' && labels.outcome === outcome,
        )?.value ?? 0;
      return { success: of('success'), error: of('error'), cost };
    };
    const grown = async (sender: typeof send) => {
      const before = await counted();
      await sender(operator, json(page, { first: 7 }));
      await sender(operator, json(page, { first: 0 }));
      const after = await counted();
      return [after.success - before.success, after.error - before.error, after.cost - before.cost];
    };
    const byYoga = await grown(sendToYoga);
    expect(byYoga).toEqual([1, 1, expect.any(Number)]);
    expect(await grown(send)).toEqual(byYoga);
  });

  it('reports every attempt without a valid credential once', async () => {
    const rejected = async () =>
      (await test.app.metrics.rejectedRequests.get()).values.find(
        ({ labels }) => labels.reason === 'UNKNOWN_CREDENTIAL',
      )?.value ?? 0;
    const before = await rejected();
    await send(anonymous.with({ 'x-admin-key': 'wrong' }), json(page));
    expect((await rejected()) - before).toBe(1);
  });

  it('leaves pages of other origins to yoga where some are allowed', async () => {
    const open = await startTestApp({
      environment: { FAIRLEAD_ALLOWED_ORIGINS: 'https://one.example' },
      sameDatabaseAs: test,
    });
    const request = { ...json(page), headers: { origin: 'https://one.example' } };
    await send(open.operator, json(page));
    const { headers } = await send(open.operator, request);
    expect(headers).toContainEqual(['access-control-allow-origin', 'https://one.example']);
    expect(await directOperations(open)).toBe(0);
    await send(open.operator, json(page));
    expect(await directOperations(open)).toBe(1);
  });

  it('hides failures of the server, and logs each once by its request', async () => {
    const broken = await startTestApp();
    await send(broken.operator, json(page));
    await broken.app.database.pool.query('ALTER TABLE tenant RENAME TO tenant_away');
    const expected = await sendToYoga(broken.operator, json(page));
    expect(expected.body).toContain('"requestId":"compared"');
    expect(expected.body).not.toContain('tenant_away');
    for (let count = 0; count < repetitions; count += 1) {
      expect(comparable(await send(broken.operator, json(page)))).toEqual(comparable(expected));
    }
    expect(await directOperations(broken)).toBe(repetitions);
    expect(broken.logged.map((line) => JSON.parse(line).requestId)).toEqual(Array(repetitions + 1).fill('compared'));
  });

  it('hides failures of authentication as well, from yoga and from the lane', async () => {
    const broken = await startTestApp();
    const keyed = broken.anonymous.with({ 'x-api-key': 'fl_unknown_key_whose_look_up_fails' });
    await broken.app.database.pool.query('ALTER TABLE api_key_secret RENAME TO api_key_secret_away');
    await send(broken.operator, json('{ __typename }'));
    for (const sender of [send, sendToYoga]) {
      const { status, body } = await sender(keyed, json('{ __typename }'));
      expect(JSON.parse(body)).toEqual({
        errors: [
          {
            message: 'The server failed to carry this out. Tell the operator the request id.',
            extensions: { code: 'INTERNAL_SERVER_ERROR', requestId: 'compared' },
          },
        ],
      });
      expect(status).toBe(200);
    }
    expect(broken.logged.map((line) => JSON.parse(line).requestId)).toEqual(['compared', 'compared']);
  });

  it('refuses a key from the very next request after it was revoked', async () => {
    const made = await operator.send<{ createKey: { key: { id: string }; secret: { value: string } } }, never>(
      'mutation { createKey(input: { kind: ADMIN, name: "short-lived", scopes: ["tenants:read"] }) { ... on CreateKeyPayload { key { id } secret { value } } } }',
    );
    const { key, secret } = made.data?.createKey ?? { key: { id: '' }, secret: { value: '' } };
    const client = anonymous.with({ 'x-admin-key': secret.value });
    await send(client, json(page));
    const before = await directOperations(test);
    expect((await send(client, json(page))).status).toBe(200);
    expect((await directOperations(test)) - before).toBe(1);
    await operator.send(`mutation { revokeKey(input: { keyId: "${key.id}" }) { __typename } }`);
    const refused = await send(client, json(page));
    expect(refused.status).toBe(401);
    expect(refused).toEqual(await sendToYoga(client, json(page)));
  });
});
