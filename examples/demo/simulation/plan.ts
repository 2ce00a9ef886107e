import type { Pattern } from './arrivals.ts';
import { offeredSlots, type SimulatedModel } from './requests.ts';

/** Everything that demos make begins like this. */
export const demoPrefix = 'demo ';

/** Everything that one of them makes begins like this, so that several can use one server. */
export const prefixOf = (demo: string): string => `${demoPrefix}${demo} `;

interface PlannedGroup {
  readonly name: string;
  readonly weight: number;
}

export interface PlannedKey {
  readonly name: string;
  readonly weight: number;
  /** The external id of the user that it belongs to. */
  readonly user: string;
}

export interface PlannedTenant {
  readonly name: string;
  /** Its name without that of the demo: requests are drawn by it. */
  readonly label: string;
  readonly group: string;
  readonly weight: number;
  readonly requestsPerMinute: number | null;
  readonly users: readonly string[];
  readonly keys: readonly PlannedKey[];
  readonly pattern: Pattern;
  readonly perSecond: number;
  readonly joinsAtMs: number;
}

export interface PlannedModel {
  readonly model: SimulatedModel;
  readonly slots: number;
  readonly inputTokenUsd: string;
  readonly outputTokenUsd: string;
}

/** Times in which a gateway is not heard of and hears nothing, again and again. */
interface PlannedOutage {
  readonly fromMs: number;
  readonly lengthMs: number;
  readonly everyMs: number;
}

export interface PlannedGateway {
  readonly name: string;
  readonly outage: PlannedOutage | null;
}

export interface Plan {
  /** What all names of it begin with. */
  readonly prefix: string;
  readonly groups: readonly PlannedGroup[];
  readonly tenants: readonly PlannedTenant[];
  readonly models: readonly PlannedModel[];
  readonly gateways: readonly PlannedGateway[];
}

export interface PlanOptions {
  /** What tells this demo from others. */
  readonly name: string;
  readonly tenants: number;
  /** Requests of all tenants together, as a mean. */
  readonly perSecond: number;
  /** Undefined: until it is told to end. */
  readonly durationMs: number | undefined;
}

const groups: readonly PlannedGroup[] = [
  { name: 'gold', weight: 500 },
  { name: 'silver', weight: 200 },
  { name: 'bronze', weight: 50 },
];

const models: readonly (Omit<PlannedModel, 'slots'> & { readonly share: number })[] = [
  {
    model: {
      name: 'large chat',
      type: 'CHAT',
      medianInputTokens: 900,
      medianOutputTokens: 150,
      outputTokensPerSecond: 60,
      ttftMs: 350,
      popularity: 3,
    },
    // No more than what is asked for on average: this one has a queue as soon as anybody has more to ask than usual.
    share: 0.95,
    inputTokenUsd: '0.000003',
    outputTokenUsd: '0.000015',
  },
  {
    model: {
      name: 'small chat',
      type: 'CHAT',
      medianInputTokens: 400,
      medianOutputTokens: 120,
      outputTokensPerSecond: 180,
      ttftMs: 120,
      popularity: 6,
    },
    share: 1.15,
    inputTokenUsd: '0.00000025',
    outputTokenUsd: '0.00000125',
  },
  {
    model: {
      name: 'embedding',
      type: 'EMBEDDING',
      medianInputTokens: 250,
      medianOutputTokens: 0,
      outputTokensPerSecond: 1,
      ttftMs: 90,
      popularity: 3,
    },
    share: 2,
    inputTokenUsd: '0.00000002',
    outputTokenUsd: '0',
  },
];

interface Role {
  readonly label: string;
  readonly group: number;
  readonly weight: number;
  readonly pattern: Pattern;
  /** How much of the requests it makes, beside the others. */
  readonly demand: number;
  readonly joinsLate?: true;
  /** It may make fewer requests than it does. */
  readonly isLimited?: true;
}

const steady: Pattern = { kind: 'STEADY' };
const day: Pattern = { kind: 'WAVE', periodMs: 60_000, depth: 0.9 };
const bursts: Pattern = { kind: 'BURSTS', periodMs: 20_000, lengthMs: 4_000, factor: 4 };
const floods: Pattern = { kind: 'BURSTS', periodMs: 45_000, lengthMs: 15_000, factor: 2.8 };

/** The first tenants, each of which shows something; whoever comes after them is one of the ordinary ones again. */
const roles: readonly Role[] = [
  { label: 'steady', group: 0, weight: 100, pattern: steady, demand: 1 },
  { label: 'noisy neighbour', group: 1, weight: 100, pattern: floods, demand: 3 },
  { label: 'daily wave', group: 0, weight: 300, pattern: day, demand: 1 },
  { label: 'late joiner', group: 0, weight: 200, pattern: steady, demand: 1.5, joinsLate: true },
  { label: 'bursts', group: 1, weight: 200, pattern: bursts, demand: 1 },
  { label: 'rate limited', group: 2, weight: 100, pattern: steady, demand: 1, isLimited: true },
];

const ordinary: readonly Role[] = roles.filter(({ label }) => ['steady', 'daily wave', 'bursts'].includes(label));

const roleOf = (index: number): Role => {
  const role = roles[index] ?? ordinary[index % ordinary.length];
  if (role === undefined) throw new Error('There are no roles.');
  return role;
};

const lateMs = 30_000;
const outageFromMs = 40_000;
/** Longer than a gateway may be silent by default, so that it is noticed. */
const outageLengthMs = 25_000;
const outageEveryMs = 120_000;

/** What the demo makes, and who asks for how much. The same options give the same plan. */
export function planOf({ name, tenants, perSecond, durationMs = Number.POSITIVE_INFINITY }: PlanOptions): Plan {
  const prefix = prefixOf(name);
  const named = <Named extends { readonly name: string }>(each: Named): Named => ({
    ...each,
    name: `${prefix}${each.name}`,
  });
  const cast = Array.from({ length: tenants }, (_, index) => roleOf(index));
  const demand = cast.reduce((sum, role) => sum + role.demand, 0);
  const simulated = models.map(({ model }) => model);
  return {
    prefix,
    groups: groups.map(named),
    models: models.map(({ model, share, ...prices }) => ({
      model: named(model),
      ...prices,
      slots: Math.max(2, Math.round(share * offeredSlots(model, simulated, perSecond))),
    })),
    tenants: cast.map((role, index) => {
      const own = (perSecond * role.demand) / demand;
      const label = `${String(index + 1).padStart(2, '0')} ${role.label}`;
      return {
        name: `${prefix}${label}`,
        label,
        group: `${prefix}${groups[role.group]?.name}`,
        weight: role.weight,
        requestsPerMinute: role.isLimited === true ? Math.max(1, Math.round(own * 60 * 0.7)) : null,
        users: ['ada', 'grace'],
        keys: [
          { name: 'interactive', weight: 300, user: 'ada' },
          { name: 'batch', weight: 100, user: 'grace' },
        ],
        pattern: role.pattern,
        perSecond: own,
        joinsAtMs: role.joinsLate === true ? Math.min(lateMs, durationMs / 4) : 0,
      };
    }),
    gateways: [
      named({ name: 'gateway 1', outage: null }),
      named({ name: 'gateway 2', outage: null }),
      named({
        name: 'gateway 3 (fails)',
        outage: {
          fromMs: Math.min(outageFromMs, durationMs * 0.4),
          lengthMs: Math.min(outageLengthMs, durationMs * 0.3),
          everyMs: outageEveryMs,
        },
      }),
    ],
  };
}

/** Whether a gateway is cut off from everybody at a time. */
export function isSilentAt({ outage }: PlannedGateway, ms: number): boolean {
  if (outage === null || ms < outage.fromMs) return false;
  return (ms - outage.fromMs) % outage.everyMs < outage.lengthMs;
}
