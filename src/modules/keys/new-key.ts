import { hasEnvironment } from '../../access/key-prefixes.ts';
import type { Principal } from '../../access/principal.ts';
import { type Scope, scopesOfKind, scopesOfTenant, scopeTemplates } from '../../access/scopes.ts';
import type { KeyKind } from '../../database/generated/enums.ts';
import type { CommandScope } from '../../graph/commands/definition.ts';
import { NotFoundError, ValidationError, type ValidationIssue } from '../../graph/errors.ts';
import { isGiven } from '../../graph/given.ts';
import type { TenantService } from '../tenants/service.ts';
import type { CreateKey } from './input.ts';
import { hasOrigins, kindRules, type OwnerField, ownerFields } from './kinds.ts';
import { keyOwners } from './owners.ts';

type OwnerIds = Readonly<Record<'tenantId' | OwnerField, string | null>>;

const issue = (path: readonly string[], rule: string, message: string): ValidationIssue => ({ path, rule, message });

/** @throws {ValidationError} with every rule of the kind that the input breaks */
export function checkKind(input: CreateKey, now: Date, principal: Principal): void {
  const { kind } = input;
  const { owner, optionalOwner, tenant } = kindRules[kind];
  const issues: ValidationIssue[] = [];
  for (const field of ownerFields) {
    if (isGiven(input[field]) && field !== owner && field !== optionalOwner) {
      issues.push(issue([field], 'NOT_APPLICABLE', `A key of kind ${kind} has no ${field}.`));
    }
  }
  if (tenant === 'none' && isGiven(input.tenantId)) {
    issues.push(issue(['tenantId'], 'NOT_APPLICABLE', `A key of kind ${kind} belongs to the deployment.`));
  }
  if (owner !== undefined && ownerOf(input, owner, principal) === null) {
    issues.push(issue([owner], 'OWNER_REQUIRED', `A key of kind ${kind} names its ${owner}.`));
  }
  if (hasEnvironment(kind) !== isGiven(input.environment)) {
    issues.push(
      hasEnvironment(kind)
        ? issue(['environment'], 'ENVIRONMENT_REQUIRED', `A key of kind ${kind} is for LIVE or for TEST.`)
        : issue(['environment'], 'NOT_APPLICABLE', `A key of kind ${kind} has no environment.`),
    );
  }
  if (hasOrigins(kind) && !isGiven(input.allowedOrigins)) {
    issues.push(
      issue(
        ['allowedOrigins'],
        'ORIGINS_REQUIRED',
        'A publishable key names the origins that may use it; ["*"] allows every one.',
      ),
    );
  }
  if (isGiven(input.scopes) && isGiven(input.template)) {
    issues.push(issue(['template'], 'EXACTLY_ONE', 'Give scopes or a template, not both.'));
  }
  if (!isGiven(input.scopes) && !isGiven(input.template) && kindRules[kind].defaultTemplate === undefined) {
    issues.push(issue(['scopes'], 'SCOPES_REQUIRED', `A key of kind ${kind} names its scopes, or a template.`));
  }
  issues.push(...issuesOfDetails(kind, { ...input, scopes: scopesOf(input, principal) }, now));
  throwIfAny(issues);
}

/** Rules that a change of a key has to keep as well. */
export function issuesOfDetails(
  kind: KeyKind,
  {
    scopes,
    allowedOrigins,
    expiresAt,
  }: {
    scopes?: readonly Scope[] | undefined;
    allowedOrigins?: readonly string[] | undefined;
    expiresAt?: Date | null | undefined;
  },
  now: Date,
): ValidationIssue[] {
  const issues: ValidationIssue[] = [];
  const allowed = scopesOfKind(kind);
  const refused = scopes?.filter((scope) => !allowed.has(scope)) ?? [];
  if (refused.length > 0) {
    issues.push(
      issue(['scopes'], 'SCOPE_NOT_ALLOWED_FOR_KIND', `A key of kind ${kind} cannot hold ${refused.join(', ')}.`),
    );
  }
  if (isGiven(allowedOrigins) && !hasOrigins(kind)) {
    issues.push(issue(['allowedOrigins'], 'NOT_APPLICABLE', 'Only publishable keys have allowed origins.'));
  }
  if (isGiven(expiresAt) && expiresAt <= now) {
    issues.push(issue(['expiresAt'], 'IN_THE_PAST', 'A key expires in the future; revokeKey ends it now.'));
  }
  return issues;
}

export function throwIfAny([first, ...more]: readonly ValidationIssue[]): void {
  if (first !== undefined) throw new ValidationError([first, ...more]);
}

/**
 * The scopes asked for; of a template, without those of the deployment that no tenant can hold; of the kind's own
 * template, those that the caller holds as well.
 */
export function scopesOf({ kind, scopes, template }: CreateKey, principal: Principal): readonly Scope[] {
  if (isGiven(scopes)) return scopes;
  if (isGiven(template)) {
    const named: readonly Scope[] = scopeTemplates[template].scopes;
    return kind === 'ADMIN' ? named : [...scopesOfTenant(new Set(named))];
  }
  const { defaultTemplate } = kindRules[kind];
  const all: readonly Scope[] = defaultTemplate === undefined ? [] : scopeTemplates[defaultTemplate].scopes;
  const held = all.filter((scope) => principal.scopes.has(scope));
  // A key that could do nothing is of no use; asked for in full, it is refused with what is missing.
  return held.length === 0 ? all : held;
}

/** The owner that the input names, or that the caller is. */
const ownerOf = (input: CreateKey, field: OwnerField, principal: Principal): string | null =>
  input[field] ?? principal[field] ?? null;

/**
 * Whose the new key is, each of them kept from being deleted until the transaction ends.
 *
 * @throws {NotFoundError} for one that is missing, not to be seen, or of another tenant
 */
export async function holdOwners(scope: CommandScope, input: CreateKey, tenants: TenantService): Promise<OwnerIds> {
  const { owner, optionalOwner, tenant } = kindRules[input.kind];
  const ids: Record<'tenantId' | OwnerField, string | null> = {
    tenantId: null,
    userId: null,
    appId: null,
    productId: null,
    engineId: null,
  };
  const field = owner ?? optionalOwner;
  const id = field === undefined ? null : ownerOf(input, field, scope.principal);
  const source = field === undefined ? undefined : keyOwners[field];
  const seen = source === undefined || id === null ? undefined : await source.find(scope, id, [field ?? '']);
  const tenantId = input.tenantId ?? scope.principal.tenantId ?? seen?.tenantId;
  // The tenant before what belongs to it, as when a tenant is deleted: the two do not wait for each other.
  if (tenant === 'required' || (tenant === 'optional' && isGiven(tenantId))) {
    ids.tenantId = (await tenants.holdForChild(scope, tenantId)).id;
  }
  if (field === undefined || seen === undefined) return ids;
  if (seen.tenantId !== ids.tenantId) throw new NotFoundError(typeOf[field], [field]);
  const row = await source?.hold(scope, seen.id, [field]);
  ids[field] = seen.id;
  if (row?.productId !== undefined) ids.productId = row.productId;
  return ids;
}

const typeOf: Readonly<Record<OwnerField, string>> = {
  userId: 'user',
  appId: 'application',
  productId: 'product',
  engineId: 'engine',
};
