import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import type { GraphQLSchema } from 'graphql';
import { createYoga, type YogaServerInstance } from 'graphql-yoga';
import type { Authenticator } from '../access/authenticator.ts';
import type { RejectionReason } from '../access/credentials.ts';
import type { Config } from '../config.ts';
import type { GraphContext } from '../graph/context.ts';
import { type CostBudget, CostCalculator } from '../graph/cost.ts';
import type { RequestInfo } from '../graph/request-info.ts';
import type { CredentialWatch } from '../live/credential-watch.ts';
import { SharedExecutions } from '../live/shared-results.ts';
import type { ServerContext } from './context.ts';
import { DirectLane } from './direct-lane.ts';
import type { Metrics } from './metrics.ts';
import { Operations } from './operations.ts';
import { useAuthentication } from './plugins/authentication.ts';
import { CostMeter, useCost } from './plugins/cost.ts';
import { type ErrorPresenter, useErrors } from './plugins/errors.ts';
import { useMetrics } from './plugins/metrics.ts';
import { useOperationLimits } from './plugins/operation-limits.ts';
import { useOperations } from './plugins/operations.ts';
import { useProgress } from './plugins/progress.ts';
import { useRequestBody } from './plugins/request-body.ts';
import { useSharedSubscriptions } from './plugins/shared-subscriptions.ts';
import { useSubscriptionCredentials } from './plugins/subscription-credentials.ts';
import { useUnansweredSubscriptions } from './plugins/unanswered-subscriptions.ts';

/** What the graph needs of the program around it. */
export interface GraphParts {
  readonly config: Config;
  readonly schema: GraphQLSchema;
  readonly authenticator: Authenticator;
  readonly credentialWatch: CredentialWatch;
  readonly budget: CostBudget;
  readonly metrics: Metrics;
  readonly presenter: ErrorPresenter;
  /** The same for every request. */
  readonly program: Omit<GraphContext, 'principal' | 'info'>;
  readonly onRejected: (reason: RejectionReason, info: RequestInfo) => void;
  /** Sockets by other paths than the graph's, each for whoever knows whom to let in. */
  readonly internal: Readonly<Record<string, (request: IncomingMessage, socket: Duplex, head: Buffer) => void>>;
}

export type Yoga = YogaServerInstance<ServerContext, GraphContext>;

/** The GraphQL endpoint: HTTP through `lane` and `yoga.handle`, and the same steps for sockets through `getEnveloped`. */
export interface GraphEndpoint {
  readonly yoga: Yoga;
  readonly lane: DirectLane;
}

export function createGraphEndpoint(parts: GraphParts): GraphEndpoint {
  const { config, schema, authenticator, budget, metrics, presenter, program, onRejected } = parts;
  const { allowedOrigins } = config.http;
  const meter = new CostMeter({
    limits: config.graph.cost,
    budget,
    calculator: new CostCalculator(schema),
    onSpent: (cost) => metrics.operationCost.inc(cost),
  });
  const operations = new Operations({ meter, presenter, metrics });
  const lane = new DirectLane({ config: config.http, schema, authenticator, operations, metrics, program });
  const shared = new SharedExecutions({
    onExecuted: () => metrics.liveExecutions.inc(),
    onDelivered: (count) => metrics.liveResults.inc(count),
  });
  const yoga = createYoga<ServerContext, GraphContext>({
    schema,
    graphqlEndpoint: '/graphql',
    graphiql: false,
    landingPage: false,
    logging: false,
    multipart: false,
    batching: false,
    // useRequestBody limits it.
    maxRequestBodySize: false,
    cors:
      allowedOrigins.length === 0
        ? false
        : {
            origin: [...allowedOrigins],
            methods: ['GET', 'POST'],
            exposedHeaders: ['X-Request-Id', 'Retry-After'],
            // Credentials are headers that a page sets itself, never cookies.
            credentials: false,
          },
    maskedErrors: { maskError: (error) => presenter.present(error, undefined) },
    context: ({ principal, info, connection }) => {
      if (principal === undefined) throw new Error('A request came to the graph without authentication.');
      return { ...program, principal, info, ...(connection && { connection }) };
    },
    plugins: [
      useAuthentication({ authenticator, onRejected }),
      useProgress(presenter),
      useRequestBody(config.http.maxBodyBytes),
      useOperationLimits(config.graph),
      useSharedSubscriptions({ shared, presenter, program }),
      useSubscriptionCredentials(parts.credentialWatch),
      useUnansweredSubscriptions(),
      useErrors(presenter),
      useCost(meter),
      useMetrics(metrics),
      useOperations({ operations, lane }),
    ],
  });
  return { yoga, lane };
}
