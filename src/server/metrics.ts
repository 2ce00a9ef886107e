import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { Database } from '../database/database.ts';

const seconds = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

/** What one running program counts. */
export class Metrics {
  readonly registry = new Registry();
  readonly operationSeconds: Histogram<'type' | 'outcome'>;
  readonly operationCost: Counter;
  readonly directOperations: Counter;
  readonly rejectedRequests: Counter<'reason'>;
  readonly keyVerifications: Counter<'result'>;
  readonly sockets: Gauge;
  readonly subscriptions: Gauge;
  readonly liveExecutions: Counter;
  readonly liveResults: Counter;

  constructor({ pool, fencedPool }: Pick<Database, 'pool' | 'fencedPool'>) {
    const registers = [this.registry];
    this.operationSeconds = new Histogram({
      name: 'fairlead_operation_seconds',
      help: 'How long queries and commands took, from the parsed request to the result.',
      labelNames: ['type', 'outcome'],
      buckets: seconds,
      registers,
    });
    this.operationCost = new Counter({
      name: 'fairlead_operation_cost_total',
      help: 'Cost of all operations that were carried out.',
      registers,
    });
    this.directOperations = new Counter({
      name: 'fairlead_direct_operations_total',
      help: 'Queries and commands over HTTP that were known already, and so took the short way.',
      registers,
    });
    this.rejectedRequests = new Counter({
      name: 'fairlead_rejected_requests_total',
      help: 'Requests and sockets without a valid credential.',
      labelNames: ['reason'],
      registers,
    });
    this.keyVerifications = new Counter({
      name: 'fairlead_key_verifications_total',
      help: 'Keys that gateways asked about, by what they were told: VALID or the reason of the refusal.',
      labelNames: ['result'],
      registers,
    });
    this.sockets = new Gauge({ name: 'fairlead_sockets', help: 'Open WebSockets.', registers });
    this.subscriptions = new Gauge({
      name: 'fairlead_subscriptions',
      help: 'Running subscriptions, over WebSocket and SSE.',
      registers,
    });
    this.liveExecutions = new Counter({
      name: 'fairlead_live_executions_total',
      help: 'Executions of live subscriptions, each for all subscribers who see the same.',
      registers,
    });
    this.liveResults = new Counter({
      name: 'fairlead_live_results_total',
      help: 'Results of live subscriptions that subscribers were sent.',
      registers,
    });
    new Gauge({
      name: 'fairlead_database_connections',
      help: 'Connections to Postgres, of each pool.',
      labelNames: ['pool', 'state'],
      registers,
      collect() {
        for (const [name, { totalCount, idleCount, waitingCount }] of Object.entries({
          deployment: pool,
          tenants: fencedPool,
        })) {
          this.set({ pool: name, state: 'busy' }, totalCount - idleCount);
          this.set({ pool: name, state: 'idle' }, idleCount);
          this.set({ pool: name, state: 'awaited' }, waitingCount);
        }
      },
    });
  }
}
