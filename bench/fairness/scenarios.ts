/** The two published scenarios. What was not published of them is ours, and said in RESULTS.md. */

export interface ScenarioGroup {
  readonly name: string;
  readonly weight: number;
}

export interface ScenarioTenant {
  readonly name: string;
  readonly group: string;
  readonly weight: number;
  readonly workers: number;
  readonly joinsAtMs: number;
}

export interface Scenario {
  readonly name: string;
  readonly slots: number;
  readonly groups: readonly ScenarioGroup[];
  readonly tenants: readonly ScenarioTenant[];
  readonly lengthMs: number;
  /** How long a request holds its slot, on average. */
  readonly serviceMs: number;
}

const serviceMs = 250;

/** Two groups of 500 and 50; the light one starts first and has all slots until the heavy one comes. */
const overlapping: Scenario = {
  name: 'overlap',
  slots: 8,
  groups: [
    { name: 'bench heavy', weight: 500 },
    { name: 'bench light', weight: 50 },
  ],
  tenants: [
    { name: 'bench-heavy', group: 'bench heavy', weight: 100, workers: 32, joinsAtMs: 10_000 },
    { name: 'bench-light', group: 'bench light', weight: 100, workers: 32, joinsAtMs: 0 },
  ],
  lengthMs: 70_000,
  serviceMs,
};

/** Two tenants, and two more that join late. Nobody's share is more than its workers can take. */
const joining: Scenario = {
  name: 'scorecard',
  slots: 16,
  groups: [
    { name: 'bench early', weight: 100 },
    { name: 'bench late', weight: 150 },
  ],
  tenants: [
    { name: 'bench-early-300', group: 'bench early', weight: 300, workers: 12, joinsAtMs: 0 },
    { name: 'bench-early-100', group: 'bench early', weight: 100, workers: 12, joinsAtMs: 0 },
    { name: 'bench-late-400', group: 'bench late', weight: 400, workers: 12, joinsAtMs: 20_000 },
    { name: 'bench-late-200', group: 'bench late', weight: 200, workers: 12, joinsAtMs: 20_000 },
  ],
  lengthMs: 80_000,
  serviceMs,
};

/** Of the second scenario. */
const published = { sampleMs: 2_000, steadyFromMs: 50_000 } as const;

function scaled(scenario: Scenario, scale: number): Scenario {
  return {
    ...scenario,
    lengthMs: scenario.lengthMs * scale,
    serviceMs: scenario.serviceMs * scale,
    tenants: scenario.tenants.map((tenant) => ({ ...tenant, joinsAtMs: tenant.joinsAtMs * scale })),
  };
}

/** @param scale 1: as they were published; all times are multiplied by it, so that as many requests are made */
export const scenariosAt = (scale: number) => ({
  overlapping: scaled(overlapping, scale),
  joining: scaled(joining, scale),
  sampleMs: published.sampleMs * scale,
  steadyFromMs: published.steadyFromMs * scale,
});

/** The share that the weights give a tenant when everyone is there. */
export function expectedShareOf({ group, weight }: ScenarioTenant, { groups, tenants }: Scenario): number {
  const weightOf = (name: string): number => groups.find((each) => each.name === name)?.weight ?? 0;
  const sum = (weights: readonly number[]): number => weights.reduce((total, each) => total + each, 0);
  const ofGroup = weightOf(group) / sum(groups.map((each) => each.weight));
  return (ofGroup * weight) / sum(tenants.filter((each) => each.group === group).map((each) => each.weight));
}
