import type { CommandScope } from '../../graph/commands/definition.ts';
import { validate } from '../../graph/commands/validation.ts';
import { NotFoundError, type UserError, ValidationError, type ValidationIssue } from '../../graph/errors.ts';
import { isGiven } from '../../graph/given.ts';
import type { TeamService } from '../teams/service.ts';
import { newUserData } from './data.ts';
import type { UserRow } from './entity.ts';
import { ExternalIdTakenError } from './errors.ts';
import { type BulkCreateUsers, type NewUser, newUserRules } from './input.ts';

/** Why one item was refused: plain data, since answers are kept for idempotency keys; `errorOf` makes the error. */
type Refusal =
  | { readonly kind: 'INVALID'; readonly issues: readonly [ValidationIssue, ...ValidationIssue[]] }
  | { readonly kind: 'TEAM_NOT_FOUND' }
  | { readonly kind: 'EXTERNAL_ID_TAKEN' };

/** What became of one item. */
export interface BulkItem {
  readonly index: number;
  readonly user: UserRow | null;
  readonly refusal: Refusal | null;
}

/** The error that an item is answered with. */
export function errorOf({ index, refusal }: BulkItem): UserError | null {
  const at = (field: string) => pathOf(index, field);
  switch (refusal?.kind) {
    case 'INVALID':
      return new ValidationError(refusal.issues);
    case 'TEAM_NOT_FOUND':
      return new NotFoundError('team', at('teamId'));
    case 'EXTERNAL_ID_TAKEN':
      return new ExternalIdTakenError(at('externalId'));
    default:
      return null;
  }
}

const pathOf = (index: number, ...rest: readonly string[]): readonly string[] => ['users', String(index), ...rest];

/** Makes those of the users that can be made. The number of statements does not depend on how many they are. */
export async function createMany(
  scope: CommandScope,
  teams: TeamService,
  tenantId: string,
  given: BulkCreateUsers['users'],
): Promise<readonly BulkItem[]> {
  const { transaction, now } = scope;
  const read = given.map(readItem);
  const teamIds = new Set(
    read.flatMap((item) => ('input' in item && isGiven(item.input.teamId) ? [item.input.teamId] : [])),
  );
  const known = teamIds.size === 0 ? teamIds : await teams.holdManyForMembers(scope, [...teamIds], tenantId);

  /** The items to make: the first that can be made of each external id. */
  const chosen = new Map<string, number>();
  const refusals = new Map<number, Refusal>();
  const inputs: NewUser[] = [];
  for (const [index, item] of read.entries()) {
    if ('refusal' in item) refusals.set(index, item.refusal);
    else if (isGiven(item.input.teamId) && !known.has(item.input.teamId))
      refusals.set(index, { kind: 'TEAM_NOT_FOUND' });
    else if (chosen.has(item.input.externalId)) refusals.set(index, { kind: 'EXTERNAL_ID_TAKEN' });
    else {
      chosen.set(item.input.externalId, index);
      inputs.push(item.input);
    }
  }

  // In one order always: two calls that make the same users would wait for each other otherwise.
  inputs.sort((one, other) => (one.externalId < other.externalId ? -1 : 1));
  const made = await transaction.prisma.user.createManyAndReturn({
    data: inputs.map((input) => newUserData(input, tenantId, now)),
    skipDuplicates: true,
  });
  const byExternalId = new Map(made.map((user) => [user.externalId, user]));
  return read.map((item, index) => {
    const refusal = refusals.get(index);
    const user = 'input' in item && refusal === undefined ? byExternalId.get(item.input.externalId) : undefined;
    if (user !== undefined) return { index, user, refusal: null };
    return { index, user: null, refusal: refusal ?? { kind: 'EXTERNAL_ID_TAKEN' } };
  });
}

function readItem(given: unknown, index: number): { readonly input: NewUser } | { readonly refusal: Refusal } {
  try {
    return { input: validate(newUserRules, given) };
  } catch (error) {
    if (!(error instanceof ValidationError)) throw error;
    const [first, ...more] = error.issues.map((issue) => ({ ...issue, path: pathOf(index, ...issue.path) }));
    if (first === undefined) throw error;
    return { refusal: { kind: 'INVALID', issues: [first, ...more] } };
  }
}
