import { serverAudits } from 'graphql-http';
import { describe, expect, it } from 'vitest';
import { startTestApp } from '../testkit/app.ts';

/** With everything on that stands between a request and the graph: credentials, operation limits and cost. */
const { operator } = await startTestApp();

const audits = serverAudits({
  url: `${operator.url}/graphql`,
  fetchFn: (url: string, init: RequestInit = {}) =>
    fetch(url, { ...init, headers: { ...Object.fromEntries(new Headers(init.headers)), ...operator.headers } }),
});

describe('GraphQL over HTTP', () => {
  it('is audited as a whole', () => {
    expect(audits.length).toBeGreaterThanOrEqual(60);
  });

  it.each(audits)('$name [$id]', async ({ fn }) => {
    const result = await fn();
    const reason = result.status === 'ok' ? undefined : `${result.reason} ${await result.response.text()}`;
    expect({ status: result.status, reason }).toEqual({ status: 'ok', reason: undefined });
  });
});
