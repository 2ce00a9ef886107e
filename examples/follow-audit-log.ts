/**
 * Prints every change of the deployment as it happens, and goes on after a lost connection.
 *
 *   FAIRLEAD_KEY=$(cat .fairlead/admin-key) npm run example -- follow-audit-log
 */
import { createClient } from 'graphql-ws';
import { graphql } from './generated/gql.ts';

const key = process.env.FAIRLEAD_KEY;
if (!key) throw new Error('Set FAIRLEAD_KEY to a key with the scope audit:read.');

const client = createClient({
  url: process.env.FAIRLEAD_SOCKET_URL ?? 'ws://127.0.0.1:4000/graphql',
  connectionParams: { Authorization: `Bearer ${key}` },
  retryAttempts: Number.POSITIVE_INFINITY,
  // Whatever closed the connection, but for a refused key, passes.
  shouldRetry: () => true,
});

const auditTail = graphql(`
  subscription AuditTail {
    auditTail {
      occurredAt
      action
      outcome
      errorCode
      actor {
        name
      }
      target {
        type
        id
      }
      after
    }
  }
`);

for await (const { data, errors } of client.iterate<{ auditTail: AuditRow }>({ query: auditTail.toString() })) {
  if (errors) throw new Error(errors.map(({ message }) => message).join('; '));
  if (data) process.stdout.write(`${describe(data.auditTail)}\n`);
}

type AuditRow = NonNullable<Awaited<ReturnType<NonNullable<(typeof auditTail)['__apiType']>>>>['auditTail'];

function describe({ occurredAt, actor, action, target, outcome, errorCode, after }: AuditRow): string {
  const aim = target === null ? '' : ` ${target.id}`;
  const result = outcome === 'SUCCEEDED' ? JSON.stringify(after ?? {}) : `${outcome} (${errorCode})`;
  return `${occurredAt} ${actor.name}: ${action}${aim} ${result}`;
}
