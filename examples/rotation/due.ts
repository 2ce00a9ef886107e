import { graphql } from '../generated/gql.ts';
import type { DueKeyFragment } from '../generated/graphql.ts';
import { run } from '../support/client.ts';

export type DueKey = DueKeyFragment;

graphql(`
  fragment DueKey on ApiKey {
    id
    name
    kind
    state
    createdAt
    rotatedAt
  }
`);

const page = graphql(`
  query KeysToRotate($before: DateTime!, $after: String) {
    viewer {
      keyId
    }
    apiKeys(
      first: 100
      after: $after
      filter: { createdAt: { until: $before }, states: [ACTIVE, EXPIRING, ROTATING] }
      orderBy: { field: CREATED_AT }
    ) {
      edges {
        node {
          ...DueKey
        }
      }
      pageInfo {
        hasNextPage
        endCursor
      }
    }
  }
`);

/**
 * The keys whose secret is older than this. Those that are being rotated are among them: if it was this program that
 * began it, asking for the same again gives its answer again.
 */
export async function* dueKeys(ageMs: number): AsyncGenerator<DueKey, void> {
  const before = new Date(Date.now() - ageMs).toISOString();
  let after: string | null = null;
  do {
    const { viewer, apiKeys }: Awaited<ReturnType<typeof read>> = await read(before, after);
    for (const { node } of apiKeys.edges) {
      const isDue = (node.rotatedAt ?? node.createdAt) < before || node.state === 'ROTATING';
      if (isDue && node.id !== viewer.keyId) yield node;
    }
    after = apiKeys.pageInfo.hasNextPage ? apiKeys.pageInfo.endCursor : null;
  } while (after !== null);
}

const read = (before: string, after: string | null) => run(page, { before, after });
