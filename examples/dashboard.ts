/**
 * The tenants with the greatest weight and the latest changes, in the terminal. The page is read again when the audit
 * log says that something changed, after a lost connection, and every minute.
 *
 *   npm run example -- dashboard
 *
 * With FAIRLEAD_URL and FAIRLEAD_KEY (scopes tenants:read, fairshare:read, audit:read) it shows another server than the
 * one of this folder.
 */
import { styleText } from 'node:util';
import { graphql } from './generated/gql.ts';
import type { DashboardQuery } from './generated/graphql.ts';
import { run } from './support/client.ts';
import { follow } from './support/live.ts';

const pollIntervalMs = 60_000;
/** A burst of changes is shown at once. */
const settleMs = 100;

const page = graphql(`
  query Dashboard {
    tenants(first: 15, orderBy: { field: WEIGHT, direction: DESC }) {
      totalCount
      edges {
        node {
          id
          name
          status
          weight
          fairshareGroup {
            name
          }
          limits {
            maxInFlight
            requestsPerMinute
          }
        }
      }
    }
    auditLog(first: 8) {
      edges {
        node {
          id
          occurredAt
          action
          outcome
          actor {
            name
          }
        }
      }
    }
  }
`);

const changes = graphql(`
  subscription DashboardChanges {
    auditTail(filter: { outcomes: [SUCCEEDED] }) {
      id
    }
  }
`);

let isScheduled = false;

function refreshSoon(): void {
  if (isScheduled) return;
  isScheduled = true;
  setTimeout(async () => {
    isScheduled = false;
    try {
      show(await run(page, {}));
    } catch (error) {
      process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    }
  }, settleMs);
}

function show({ tenants, auditLog }: DashboardQuery): void {
  const rows = tenants.edges.map(({ node: { name, status, weight, fairshareGroup, limits } }) => [
    name,
    fairshareGroup.name,
    status,
    String(weight),
    limitText(limits.maxInFlight),
    limitText(limits.requestsPerMinute),
  ]);
  const lines = [
    styleText('bold', `${tenants.totalCount} tenants`),
    ...table([['name', 'group', 'status', 'weight', 'in flight', 'requests/min'], ...rows]),
    '',
    styleText('bold', 'Latest changes'),
    ...table(
      auditLog.edges.map(({ node }) => [node.occurredAt.slice(11, 19), node.actor.name, node.action, node.outcome]),
    ),
  ];
  const clear = process.stdout.isTTY ? '\u001b[2J\u001b[H' : '';
  process.stdout.write(`${clear}${lines.join('\n')}\n`);
}

const limitText = (limit: number | null): string => (limit === null ? 'inherits' : String(limit));

function table(rows: readonly (readonly string[])[]): readonly string[] {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  );
}

setInterval(refreshSoon, pollIntervalMs);
for await (const _ of follow(changes, {}, { onConnected: refreshSoon })) refreshSoon();
