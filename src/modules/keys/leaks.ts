import { hashSecret } from '../../access/secrets.ts';
import type { Change, CommandScope } from '../../graph/commands/definition.ts';
import type { KeyBulk } from './bulk.ts';
import type { KeyDirectory } from './directory.ts';

export interface LeakReport {
  readonly reportedCount: number;
}

/** What scanners found in places where keys should not be. */
export class LeakReports {
  readonly #directory: KeyDirectory;
  readonly #bulk: KeyBulk;

  constructor(directory: KeyDirectory, bulk: KeyBulk) {
    this.#directory = directory;
    this.#bulk = bulk;
  }

  /** Revokes what was found, as far as the reporter sees it. The answer is the same whether any of it existed. */
  async report(
    scope: CommandScope,
    { tokens, sha256s, where }: { tokens: readonly string[]; sha256s: readonly string[]; where: string | null },
  ): Promise<Change<LeakReport>> {
    const hashes = [...tokens.map(hashSecret), ...sha256s.map((hash) => Buffer.from(hash, 'hex'))];
    const ids = await this.#directory.idsOf(scope, hashes);
    const reason = where === null ? 'reported as leaked' : `reported as leaked: ${where}`;
    const revoked = await this.#bulk.revokeLeaked(scope, ids, reason);
    const { tenantId } = scope.principal;
    return {
      payload: { reportedCount: hashes.length },
      // The report itself, and then what became of it in the chain of each tenant that lost a key.
      changed: { ...(tenantId === undefined ? {} : { tenantId }), after: { reportedCount: hashes.length, where } },
      alsoChanged: revoked.changed,
      events: revoked.events,
    };
  }
}
