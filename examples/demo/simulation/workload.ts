import { arrivals } from './arrivals.ts';
import { isSilentAt, type Plan, type PlannedGateway, type PlannedKey, type PlannedTenant } from './plan.ts';
import { Random } from './random.ts';
import { type RequestShape, requestShape } from './requests.ts';

/** A request that somebody makes at a time through one of the gateways. */
export interface SimulatedRequest extends RequestShape {
  readonly atMs: number;
  readonly tenant: PlannedTenant;
  readonly key: PlannedKey;
  readonly gateway: PlannedGateway;
  readonly sessionId: string;
}

const sessionsOfKey = 5;

function* requestsOf(tenant: PlannedTenant, { models, gateways }: Plan, random: Random): Generator<SimulatedRequest> {
  const { pattern, perSecond, joinsAtMs } = tenant;
  const shapes = random.fork('shapes');
  const keys = tenant.keys.map((value) => ({ value, weight: 1 }));
  const simulated = models.map(({ model }) => model);
  for (const atMs of arrivals(random.fork('arrivals'), { pattern, perSecond, fromMs: joinsAtMs })) {
    const key = shapes.pick(keys);
    const session = Math.floor(shapes.next() * sessionsOfKey) + 1;
    // A load balancer sends nothing to one that is not there.
    const reachable = gateways.filter((gateway) => !isSilentAt(gateway, atMs));
    yield {
      ...requestShape(shapes, simulated),
      atMs,
      tenant,
      key,
      gateway: shapes.pick(reachable.map((value) => ({ value, weight: 1 }))),
      sessionId: `${tenant.name} ${key.user} ${session}`,
    };
  }
}

/** The requests of all tenants in the order of their times: the same for the same plan and seed, and without end. */
export function* workloadOf(plan: Plan, seed: string): Generator<SimulatedRequest, void> {
  const random = new Random(seed);
  const sources = plan.tenants.map((tenant) => requestsOf(tenant, plan, random.fork(tenant.label)));
  const heads = sources.map((source) => ({ source, request: source.next().value }));
  for (;;) {
    let next: (typeof heads)[number] | undefined;
    for (const head of heads) {
      if (head.request !== undefined && head.request.atMs < (next?.request?.atMs ?? Number.POSITIVE_INFINITY)) {
        next = head;
      }
    }
    if (next?.request === undefined) return;
    yield next.request;
    next.request = next.source.next().value;
  }
}
