import { describe, expect, it } from 'vitest';
import { startTestApp } from '../../testkit/app.ts';
import { casesOf, maxBodyBytes } from './cases.ts';
import { addTenants, comparable, directOperations, json, repetitions, send, sendToYoga, startPoor } from './lane.ts';

const test = await startTestApp({ environment: { FAIRLEAD_MAX_BODY_BYTES: String(maxBodyBytes) } });
const poor = await startPoor(test);
const tenantId = await addTenants(test);
const { operator } = test;

describe('the direct lane', () => {
  it.each(casesOf({ test, poor, tenantId }))('answers as yoga does: $name', async (each) => {
    const { sent, app = test, caller = () => app.operator, isDirect = true } = each;
    const client = caller();
    const request = sent();
    // Of commands, the first is the only one that changes something.
    await sendToYoga(client, request);
    const expected = comparable(await sendToYoga(client, request));
    // It knows what is accepted, whatever was sent since the last that accepted the same.
    await send(client, { ...request, ...json('{ __typename }') });
    const before = await directOperations(app);
    for (let count = 0; count < repetitions; count += 1) {
      expect(comparable(await send(client, request))).toEqual(expected);
    }
    expect((await directOperations(app)) - before).toBe(isDirect ? repetitions : 0);
    expect(comparable(await sendToYoga(client, request))).toEqual(expected);
  });

  it('gives everyone their own answer, however many ask at once', async () => {
    const query = 'query ($name: String!) { tenant(name: $name) { name } }';
    await sendToYoga(operator, json(query, { name: 'Acme' }));
    await send(operator, json(query, { name: 'Acme' }));
    const before = await directOperations(test);
    const asked = Array.from(
      { length: 100 },
      (_, number) => [`asked-${number}`, number % 2 ? 'Acme' : 'Gamma'] as const,
    );
    const answers = await Promise.all(
      asked.map(([id, name]) => send(operator, { ...json(query, { name }), headers: { 'x-request-id': id } })),
    );
    const given = answers.map(({ headers, body }) => [
      headers.find(([name]) => name === 'x-request-id')?.[1],
      /"name":"(\w+)"/.exec(body)?.[1],
    ]);
    expect(given).toEqual(asked);
    expect((await directOperations(test)) - before).toBe(asked.length);
  });
});
