import { dependenciesOf, rowsOfUser } from '../keys/directory.ts';
import type { KeyIdentity, KeyUser } from '../keys/record.ts';
import { type LayerStack, layersOf, shareOfCount } from '../limits/ledger/layers.ts';
import { ledgerLimits } from '../limits/ledger-limits.ts';
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
  const { key, tenant, product } = identity;
  const team = user?.team ?? null;
  const limited = <Row extends { readonly id: string; readonly limits: Parameters<typeof ledgerLimits>[0] }>(
    row: Row,
  ) => ({
    id: row.id,
    limits: ledgerLimits(row.limits),
  });
  const stack = layersOf({
    timeZone: tenant.timeZone,
    key: limited(key),
    user: user && limited(user),
    team: team && { ...limited(team), userSharePercent: team.userSharePercent },
    product: product && limited(product),
    tenant: limited(tenant),
  });
  return {
    identity,
    user,
    stack,
    caps: [
      ...(user === null ? [] : capsOfUser(user)),
      ...(product === null ? [] : [capOf('PRODUCT', product.id, product.limits.maxInFlight)]),
    ],
    rows: [...dependenciesOf(identity), ...(user === null ? [] : rowsOfUser(user))],
  };
}

const capOf = (type: LimitOwnerType, id: string, max: number | null): PartyCap => ({
  id: `${type}:${id}`,
  owner: { type, id, userId: null },
  max,
});

function capsOfUser({ id, limits, team }: KeyUser): PartyCap[] {
  const user = capOf('USER', id, limits.maxInFlight);
  if (team === null) return [user];
  const { userSharePercent } = team;
  const { maxInFlight } = team.limits;
  // Also where one user may take all: what waits and runs is counted when there is a part, and freed when there is none.
  const share: PartyCap = {
    id: `TEAM_USER_SHARE:${team.id}:${id}`,
    owner: { type: 'TEAM_USER_SHARE', id: team.id, userId: id },
    max: maxInFlight === null || userSharePercent === null ? null : shareOfCount(maxInFlight, userSharePercent),
  };
  return [user, share, capOf('TEAM', team.id, maxInFlight)];
}

/** The name of the cap of a gateway. */
export const gatewayCap = (gatewayId: string): string => `GATEWAY:${gatewayId}`;
