import { hashSecret } from '../../access/secrets.ts';
import { type Change, type CommandScope, unchanged } from '../../graph/commands/definition.ts';
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
    const ids = await this.#directory.idsOf(hashes);
    const payload = { reportedCount: hashes.length };
    if (ids.length === 0) return unchanged(payload);
    const reason = where === null ? 'reported as leaked' : `reported as leaked: ${where}`;
    const { changed, events = [] } = await this.#bulk.revoke(scope, { filter: { ids }, dryRun: false, reason });
    return { payload, events, ...(changed === undefined ? {} : { changed }) };
  }
}
