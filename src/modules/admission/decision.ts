import { isWithin } from '../../access/visibility.ts';
import { speaksFor } from '../gateways/heartbeats.ts';
import type { KeyDirectory } from '../keys/directory.ts';
import type { KeyIdentity } from '../keys/record.ts';
import {
  type Refusal as KeyRefusal,
  refusalOfApp,
  refusalOfEngine,
  refusalOfKey,
  refusalOfPlace,
  refusalOfProduct,
  refusalOfSchedule,
  refusalOfTenant,
  refusalOfUser,
} from '../keys/verification.ts';
import type { NamedTenant } from './activity.ts';
import { type CatalogModel, type CatalogState, modelNamed } from './catalog.ts';
import type { AdmissionCheckName } from './explanation.ts';
import type { AdmitCall, Caller, NotFound, Place } from './owner.ts';
import { type Party, partyOf } from './parties.ts';
import { type AdmissionReason, isAdmissionReason, type RefusalView, refusalFor } from './refusals.ts';

/** The pool of requests for models that the registry does not have. */
export const unroutedPool = '(unrouted)';

/** Whom a request is for and what it asks for, before limits and slots are looked at. */
export interface Wish {
  readonly party: Party;
  readonly place: Place | null;
  /** Nothing: the registry has none of that name. */
  readonly model: CatalogModel | undefined;
  readonly modelName: string;
  readonly pool: string;
}

export type Decided =
  | { readonly wish: Wish }
  | { readonly notFound: NotFound }
  | { readonly refusal: RefusalView; readonly tenant: NamedTenant | undefined };

const notFound = (type: string, ...path: readonly string[]): { readonly notFound: NotFound } => ({
  notFound: { outcome: 'NOT_FOUND', type, path },
});

const keyReasons: Readonly<Partial<Record<KeyRefusal, AdmissionReason>>> = {
  MALFORMED: 'KEY_MALFORMED',
  REVOKED: 'KEY_REVOKED',
  EXPIRED: 'KEY_EXPIRED',
  SUPERSEDED: 'KEY_SUPERSEDED',
  DISABLED: 'KEY_DISABLED',
};

/** The refusal of a key, as a reason not to admit. */
export function reasonOf(refusal: KeyRefusal | 'MODEL_DISABLED'): AdmissionReason {
  const reason = refusal === 'MODEL_DISABLED' ? refusal : (keyReasons[refusal] ?? refusal);
  if (isAdmissionReason(reason)) return reason;
  throw new Error(`${refusal} is no reason not to admit.`);
}

/** Whom a key belongs to, as far as principals are bound to it. */
export const ownersOf = ({ tenant, user, product, engine, app }: KeyIdentity) => ({
  tenantId: tenant?.id ?? null,
  userId: user?.id ?? null,
  productId: product?.id ?? null,
  engineId: engine?.id ?? null,
  appId: app?.id ?? null,
});

/** One of the things that are looked at whatever limits and slots there are. */
interface WishCheck {
  readonly check: AdmissionCheckName;
  readonly appliesTo: (wish: Wish) => boolean;
  readonly refusalOf: (wish: Wish, now: Date) => KeyRefusal | 'MODEL_DISABLED' | undefined;
}

const always = (): boolean => true;

/** In this order. */
export const wishChecks: readonly WishCheck[] = [
  { check: 'KEY', appliesTo: always, refusalOf: ({ party }, now) => refusalOfKey(party.identity, now) },
  { check: 'TENANT', appliesTo: always, refusalOf: ({ party }) => refusalOfTenant(party.identity) },
  { check: 'SCHEDULE', appliesTo: always, refusalOf: ({ party }, now) => refusalOfSchedule(party.identity, now) },
  { check: 'USER', appliesTo: ({ party }) => party.user !== null, refusalOf: ({ party }) => refusalOfUser(party.user) },
  {
    check: 'APP',
    appliesTo: ({ party }) => party.identity.app !== null,
    refusalOf: ({ party }) => refusalOfApp(party.identity),
  },
  {
    check: 'PRODUCT',
    appliesTo: ({ party }) => party.identity.product !== null,
    refusalOf: ({ party }) => refusalOfProduct(party.identity),
  },
  {
    check: 'ENGINE',
    appliesTo: ({ party }) => party.identity.engine !== null,
    refusalOf: ({ party }) => refusalOfEngine(party.identity),
  },
  {
    check: 'PLACE',
    appliesTo: ({ place }) => place !== null,
    refusalOf: ({ party, place }) => (place === null ? undefined : refusalOfPlace(party.identity, place)),
  },
  {
    check: 'SCOPES',
    appliesTo: always,
    refusalOf: ({ party }) => (party.identity.key.scopes.has('cloud:inference') ? undefined : 'INSUFFICIENT_SCOPE'),
  },
  { check: 'MODEL_ALLOWED', appliesTo: always, refusalOf: refusalOfModel },
  {
    check: 'MODEL_ENABLED',
    appliesTo: ({ model }) => model !== undefined,
    refusalOf: ({ model }) => (model?.isEnabled === false ? 'MODEL_DISABLED' : undefined),
  },
];

function refusalOfModel({ party: { identity }, modelName }: Wish): KeyRefusal | undefined {
  const allows = (models: readonly string[]) => models.length === 0 || models.includes(modelName);
  return allows(identity.key.allowedModels) && allows(identity.tenant.allowedModels) ? undefined : 'MODEL_NOT_ALLOWED';
}

/** Why a request is not admitted, whatever limits and slots there are; asked again of one that waited. */
export function refusalOfWish(wish: Wish, now: Date): RefusalView | undefined {
  for (const { refusalOf } of wishChecks) {
    const refusal = refusalOf(wish, now);
    if (refusal !== undefined) return refusalFor(reasonOf(refusal));
  }
  return undefined;
}

type Wanted = Pick<AdmitCall, 'caller' | 'keyId' | 'place' | 'model' | 'userExternalId' | 'gatewayId'>;

type Located = { readonly wish: Wish } | { readonly notFound: NotFound } | 'WITHOUT_TENANT';

/** Finds whom a request is for, and what for. */
export async function locate(directory: KeyDirectory, call: Wanted, catalog: () => CatalogState): Promise<Located> {
  const identity = await directory.findById(call.keyId);
  if (identity === undefined || !isWithin(call.caller, ownersOf(identity))) return notFound('key', 'keyId');
  if (!hasTenant(identity)) return 'WITHOUT_TENANT';
  const party = await partyFor(directory, identity, call);
  if ('notFound' in party) return party;
  // Taken after everything was looked up: a deadline that passed meanwhile has passed.
  const state = catalog();
  if (call.gatewayId !== null && !mayUseGateway(state, call.caller, call.gatewayId))
    return notFound('gateway', 'gatewayId');
  return { wish: wishOf(party, state, call) };
}

/** Finds whom a request is for, and decides what does not depend on limits and slots. */
export async function decide(
  directory: KeyDirectory,
  call: Wanted,
  catalog: () => CatalogState,
  clock: () => Date,
): Promise<Decided> {
  const located = await locate(directory, call, catalog);
  if (located === 'WITHOUT_TENANT') return { refusal: refusalFor('TENANT_REQUIRED'), tenant: undefined };
  if ('notFound' in located) return located;
  const { wish } = located;
  const refusal = refusalOfWish(wish, clock());
  return refusal === undefined ? { wish } : { refusal, tenant: wish.party.identity.tenant };
}

function wishOf(party: Party, catalog: CatalogState, { model: name, place }: Wanted): Wish {
  const model = modelNamed(catalog, name);
  return { party, place, model, modelName: model?.name ?? name, pool: model?.id ?? unroutedPool };
}

/** Whether a key belongs to a tenant. */
export const hasTenant = (identity: KeyIdentity): identity is Party['identity'] => identity.tenant !== null;

export async function partyFor(
  directory: KeyDirectory,
  identity: Party['identity'],
  { userExternalId }: Pick<Wanted, 'userExternalId'>,
): Promise<Party | ReturnType<typeof notFound>> {
  if (userExternalId === null) return partyOf(identity, null);
  // A user's own key is for nobody else.
  if (identity.user !== null) {
    return identity.user.externalId === userExternalId ? partyOf(identity, null) : notFound('user', 'userExternalId');
  }
  const user = await directory.findUser(identity.tenant.id, userExternalId);
  return user === undefined ? notFound('user', 'userExternalId') : partyOf(identity, user);
}

/** Whether a gateway is there, and the caller is the one that registered it. */
function mayUseGateway({ gateways }: CatalogState, caller: Caller, id: string): boolean {
  const gateway = gateways.get(id);
  return gateway !== undefined && !gateway.isGone && speaksFor(caller, gateway);
}
