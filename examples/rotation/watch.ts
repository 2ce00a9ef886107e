import { setTimeout as delay } from 'node:timers/promises';
import { graphql } from '../generated/gql.ts';
import type { KeysInOverlapQuery } from '../generated/graphql.ts';
import { run } from '../support/client.ts';
import type { Rotated } from './rotate.ts';

/** How its callers took the rotation of a key. */
interface OverlapReport {
  readonly keyId: string;
  readonly name: string;
  readonly isStillUsed: boolean;
  /** How often the older secret was used after there was a newer one. */
  readonly supersededUseCount: number;
  readonly lastUsedAt: string | null;
  readonly retiringUntil: string;
}

const keysInOverlap = graphql(`
  query KeysInOverlap($ids: [ID!]!) {
    apiKeys(first: 100, filter: { ids: $ids }) {
      edges {
        node {
          id
          secrets(first: 10) {
            edges {
              node {
                supersededAt
                supersededUseCount
                lastUsedAt
              }
            }
          }
        }
      }
    }
  }
`);

const pollIntervalMs = 5_000;
/** A secret that was not used for so long is not used any more. Gateways ask anew more often than that. */
const quietMs = 60_000;
const pageSize = 100;

/** Reports of each key as soon as its older secret is not used any more, or is refused. */
export async function* watchOverlap(keys: readonly Rotated[]): AsyncGenerator<OverlapReport, void> {
  let waiting = [...keys];
  while (waiting.length > 0) {
    const reports = await reportsOf(waiting);
    waiting = waiting.filter(({ keyId }) => !reports.some((report) => report.keyId === keyId));
    yield* reports;
    if (waiting.length > 0) await delay(pollIntervalMs);
  }
}

/** The reports of those of which all is known. */
async function reportsOf(keys: readonly Rotated[]): Promise<OverlapReport[]> {
  const now = Date.now();
  const reports: OverlapReport[] = [];
  for (let from = 0; from < keys.length; from += pageSize) {
    const page = keys.slice(from, from + pageSize);
    const { apiKeys } = await run(keysInOverlap, { ids: page.map(({ keyId }) => keyId) });
    for (const { keyId, name, retiringUntil } of page) {
      const older = olderSecret(apiKeys.edges.find(({ node }) => node.id === keyId));
      const { supersededUseCount = 0, lastUsedAt = null, supersededAt = null } = older ?? {};
      // Before it was superseded, its use was as it should be.
      const lastMs = Math.max(Date.parse(supersededAt ?? '') || 0, Date.parse(lastUsedAt ?? '') || 0);
      const isOver = now >= Date.parse(retiringUntil);
      if (!isOver && now - lastMs < quietMs) continue;
      const isStillUsed = supersededUseCount > 0 && now - lastMs < quietMs;
      reports.push({ keyId, name, isStillUsed, supersededUseCount, lastUsedAt, retiringUntil });
    }
  }
  return reports;
}

type Edge = KeysInOverlapQuery['apiKeys']['edges'][number];

/** The secret that the last rotation superseded. */
const olderSecret = (edge: Edge | undefined) =>
  edge?.node.secrets.edges
    .map(({ node }) => node)
    .filter(({ supersededAt }) => supersededAt !== null)
    .toSorted((a, b) => (b.supersededAt ?? '').localeCompare(a.supersededAt ?? ''))[0];
