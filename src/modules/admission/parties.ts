import { dependenciesOf, rowsOfUser } from '../keys/directory.ts';
import type { KeyIdentity, KeyUser } from '../keys/record.ts';
import { type LayerStack, layersOf, shareOfCount } from '../limits/ledger/layers.ts';
import { ledgerLimits } from '../limits/ledger-limits.ts';
import type { LimitsRow } from '../limits/limits.ts';
import type { LimitOwnerType } from './refusals.ts';

/** How many requests of somebody run at once, for those that the scheduler knows by a name only. */
interface PartyCap {
  readonly id: string;
  readonly owner: { readonly type: LimitOwnerType; readonly id: string; readonly userId: string | null };
  /** Null: any number. */
  readonly max: number | null;
}

/** Everybody whom a request is for: its key with whom that belongs to, and the user. */
export interface Party {
  readonly identity: KeyIdentity & { readonly tenant: NonNullable<KeyIdentity['tenant']> };
  readonly user: KeyUser | null;
  readonly stack: LayerStack;
  readonly caps: readonly PartyCap[];
  /** The rows that this is made of. */
  readonly rows: readonly string[];
}

/** The same for a key and a user, however they change. */
export const nameOf = ({ identity, user }: Pick<Party, 'identity' | 'user'>): string =>
  `${identity.key.id} ${user?.id ?? ''}`;

/** Of the same key and the same user, as long as neither changed. */
const known = new WeakMap<KeyIdentity, { own?: Party; readonly ofUsers: WeakMap<KeyUser, Party> }>();

/** @param user who it is for, when the key is not a user's own */
export function partyOf(identity: Party['identity'], user: KeyUser | null): Party {
  let parties = known.get(identity);
  if (parties === undefined) {
    parties = { ofUsers: new WeakMap() };
    known.set(identity, parties);
  }
  if (user === null) {
    parties.own ??= makeParty(identity, identity.user);
    return parties.own;
  }
  let party = parties.ofUsers.get(user);
  if (party === undefined) {
    party = makeParty(identity, user);
    parties.ofUsers.set(user, party);
  }
  return party;
}

function makeParty(identity: Party['identity'], user: KeyUser | null): Party {
  const { stack, caps } = limitsMet({ ...identity, user });
  return {
    identity,
    user,
    stack,
    caps,
    rows: [...dependenciesOf(identity), ...(user === null ? [] : rowsOfUser(user))],
  };
}

/** Those whose limits a request meets; of others than requests, whoever is asked about and those above. */
export interface Limited {
  readonly key?: Pick<KeyIdentity['key'], 'id' | 'limits'>;
  readonly user?: Pick<KeyUser, 'id' | 'limits' | 'team'> | null;
  /** Default: the user's. */
  readonly team?: Omit<NonNullable<KeyUser['team']>, 'name'> | null;
  readonly product?: Pick<NonNullable<KeyIdentity['product']>, 'id' | 'limits'> | null;
  readonly tenant: Pick<Party['identity']['tenant'], 'id' | 'limits' | 'timeZone'>;
}

const limited = ({ id, limits }: { readonly id: string; readonly limits: LimitsRow }) => ({
  id,
  limits: ledgerLimits(limits),
});

/** What they set, and what of them the scheduler knows by a name only. */
export function limitsMet({ key, user, team, product, tenant }: Limited): Pick<Party, 'stack' | 'caps'> {
  const ofTeam = team ?? user?.team ?? null;
  const stack = layersOf({
    timeZone: tenant.timeZone,
    key: key ? limited(key) : null,
    user: user ? limited(user) : null,
    team: ofTeam && { ...limited(ofTeam), userSharePercent: ofTeam.userSharePercent },
    product: product ? limited(product) : null,
    tenant: limited(tenant),
  });
  const caps = [
    ...(user ? [capOf('USER', user.id, user.limits.maxInFlight)] : []),
    ...(ofTeam ? capsOfTeam(ofTeam, user?.id) : []),
    ...(product ? [capOf('PRODUCT', product.id, product.limits.maxInFlight)] : []),
  ];
  return { stack, caps };
}

const capOf = (type: LimitOwnerType, id: string, max: number | null): PartyCap => ({
  id: `${type}:${id}`,
  owner: { type, id, userId: null },
  max,
});

function capsOfTeam({ id, limits, userSharePercent }: NonNullable<Limited['team']>, userId: string | undefined) {
  const { maxInFlight } = limits;
  const ofTeam = capOf('TEAM', id, maxInFlight);
  if (userId === undefined) return [ofTeam];
  // Also where one user may take all: what waits and runs is counted when there is a part, and freed when there is none.
  const share: PartyCap = {
    id: `TEAM_USER_SHARE:${id}:${userId}`,
    owner: { type: 'TEAM_USER_SHARE', id, userId },
    max: maxInFlight === null || userSharePercent === null ? null : shareOfCount(maxInFlight, userSharePercent),
  };
  return [share, ofTeam];
}

/** The name of the cap of a gateway. */
export const gatewayCap = (gatewayId: string): string => `GATEWAY:${gatewayId}`;
