/**
 * Prints every change of the deployment as it happens, and goes on after a lost connection.
 *
 *   npm run example -- follow-audit-log
 *
 * With FAIRLEAD_URL and FAIRLEAD_KEY (scope audit:read) it follows another server than the one of this folder.
 */
import { graphql } from './generated/gql.ts';
import type { AuditTailSubscription } from './generated/graphql.ts';
import { follow } from './support/live.ts';

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

for await (const { auditTail: entry } of follow(auditTail, {})) process.stdout.write(`${describe(entry)}\n`);

function describe(entry: AuditTailSubscription['auditTail']): string {
  const { occurredAt, actor, action, target, outcome, errorCode, after } = entry;
  const aim = target === null ? '' : ` ${target.id}`;
  const result = outcome === 'SUCCEEDED' ? JSON.stringify(after ?? {}) : `${outcome} (${errorCode})`;
  return `${occurredAt} ${actor.name}: ${action}${aim} ${result}`;
}
