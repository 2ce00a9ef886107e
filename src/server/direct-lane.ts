import type { IncomingMessage, ServerResponse } from 'node:http';
import { isPromise } from '@graphql-tools/utils';
import type { ExecutionResult, GraphQLSchema } from 'graphql';
import type { PromiseOrValue } from 'graphql/jsutils/PromiseOrValue.js';
import type { GraphQLParams } from 'graphql-yoga';
import { LRUCache } from 'lru-cache';
import type { Authenticator } from '../access/authenticator.ts';
import type { Config } from '../config.ts';
import type { ClientConnection, GraphContext } from '../graph/context.ts';
import type { RequestInfo } from '../graph/request-info.ts';
import { Answers } from './answers.ts';
import type { Progress } from './context.ts';
import { type KnownOperation, KnownOperations } from './known-operations.ts';
import type { Metrics } from './metrics.ts';
import type { Operations } from './operations.ts';
import { authenticateRequest } from './plugins/authentication.ts';
import { isJson, readParams } from './plugins/request-body.ts';

interface Parts {
  readonly config: Config['http'];
  readonly schema: GraphQLSchema;
  readonly authenticator: Authenticator;
  readonly operations: Operations;
  readonly metrics: Pick<Metrics, 'directOperations'>;
  readonly program: Omit<GraphContext, 'principal' | 'info'>;
}

/** The types of the answers that it gives. */
const mediaTypes: ReadonlySet<string> = new Set([
  'application/json; charset=utf-8',
  'application/graphql-response+json; charset=utf-8',
]);

const acceptsMax = 100;
const acceptLengthMax = 500;

/**
 * Answers operations that are asked again and again without the detour through the Request, Response and hooks of yoga,
 * which costs several times what most operations do. It takes a POST whose operation and Accept header yoga answered
 * before; every step is the one that yoga's plugins take. Whatever is not the plain answer to such a request it leaves
 * to yoga, errors as well, with the steps that it has taken already.
 */
export class DirectLane {
  readonly #parts: Parts;
  readonly #operations = new KnownOperations();
  /** What yoga answered with, by what was accepted. */
  readonly #mediaTypes = new LRUCache<string, string>({ max: acceptsMax });

  readonly #answers = new Answers();

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /** @param params with which yoga found the operation to be valid */
  learnOperation(params: GraphQLParams, operation: KnownOperation): void {
    this.#operations.add(params, operation);
  }

  learnMediaType({ headers: { accept = '' } }: IncomingMessage, answered: string | null): void {
    if (answered !== null && mediaTypes.has(answered) && accept.length <= acceptLengthMax) {
      this.#mediaTypes.set(accept, answered);
    }
  }

  /** Answers a request; or says what yoga has to answer it from. */
  async answer(
    req: IncomingMessage,
    res: ServerResponse,
    { info, connection }: { readonly info: RequestInfo; readonly connection: ClientConnection },
  ): Promise<Progress | 'answered'> {
    const mediaType = this.#mediaTypeFor(req);
    if (mediaType === undefined) return {};
    const { authenticator, config, metrics } = this.#parts;
    let progress: Progress = {};
    try {
      const authenticating = authenticateRequest(authenticator, { req, info });
      const authentication = authenticating instanceof Promise ? await authenticating : authenticating;
      progress = { authentication };
      if (!('principal' in authentication)) return progress;
      const params = await readParams(req, config.maxBodyBytes);
      progress = { authentication, params };
      const operation = isPlain(params) ? this.#operations.find(params) : undefined;
      if (operation === undefined) return progress;
      metrics.directOperations.inc();
      const running = this.#run(operation, params, {
        ...this.#parts.program,
        principal: authentication.principal,
        info,
        connection,
      });
      const result = isPromise(running) ? await running : running;
      if (result.errors !== undefined || result.extensions?.http !== undefined) return { ...progress, result };
      this.#answers.add({ response: res, requestId: info.id, mediaType, body: JSON.stringify(result) });
      return 'answered';
    } catch (reason) {
      return { ...progress, failure: { reason } };
    }
  }

  /** Nothing when the request is not one for this lane. */
  #mediaTypeFor(request: IncomingMessage): string | undefined {
    if (request.method !== 'POST' || request.url !== '/graphql' || !isJson(request)) return undefined;
    const { accept = '', origin } = request.headers;
    if (origin !== undefined && this.#parts.config.allowedOrigins.length > 0) return undefined;
    return this.#mediaTypes.get(accept);
  }

  #run(
    { document, interpret, type }: KnownOperation,
    { operationName, variables }: GraphQLParams,
    contextValue: GraphContext,
  ): PromiseOrValue<ExecutionResult> {
    const { operations, schema } = this.#parts;
    const args = { schema, document, contextValue, variableValues: variables, operationName };
    return operations.run(args, type, interpret);
  }
}

type PlainParams = GraphQLParams & { readonly query: string };

/** Whether every parameter is one that yoga would take. */
function isPlain(params: GraphQLParams): params is PlainParams {
  for (const name in params) {
    if (name !== 'query' && name !== 'variables' && name !== 'operationName' && name !== 'extensions') return false;
  }
  const { query, operationName, variables, extensions } = params;
  return (
    typeof query === 'string' &&
    (operationName === undefined ||
      operationName === null ||
      (typeof operationName === 'string' && operationName !== '')) &&
    isObjectOrNothing(variables) &&
    isObjectOrNothing(extensions)
  );
}

const isObjectOrNothing = (value: object | null | undefined): boolean =>
  value === undefined || (typeof value === 'object' && !Array.isArray(value));
