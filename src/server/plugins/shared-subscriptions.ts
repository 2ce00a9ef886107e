import { randomUUID } from 'node:crypto';
import {
  createSourceEventStream,
  type ExecutionArgs,
  type ExecutionResult,
  execute,
  type GraphQLSchema,
  getOperationAST,
  Kind,
  type OperationDefinitionNode,
  type SelectionSetNode,
} from 'graphql';
import type { Plugin } from 'graphql-yoga';
import type { Binding, Principal } from '../../access/principal.ts';
import { canonicalJson } from '../../database/canonical-json.ts';
import type { GraphContext } from '../../graph/context.ts';
import { isLive } from '../../graph/live.ts';
import type { RequestInfo } from '../../graph/request-info.ts';
import { LiveResult } from '../../live/live-result.ts';
import { LiveSource } from '../../live/live-source.ts';
import type { SharedExecutions } from '../../live/shared-results.ts';
import type { SnapshotStamp } from '../../live/snapshot-hub.ts';
import { CompiledQueries } from '../compiled-queries.ts';
import type { ServerContext } from '../context.ts';
import { EventSink } from '../event-sink.ts';
import { type ErrorPresenter, formattedError } from './errors.ts';

interface Options {
  readonly shared: SharedExecutions;
  readonly presenter: ErrorPresenter;
  readonly program: Omit<GraphContext, 'principal' | 'info'>;
}

/**
 * Carries out live subscriptions. Those of the same document, operation, variables and visibility share one execution
 * and one text for each snapshot; what a subscription may is checked for each by itself when it begins, and what it
 * costs is taken then and never again.
 */
export function useSharedSubscriptions({
  shared,
  presenter,
  program,
}: Options): Plugin<GraphContext & ServerContext, ServerContext> {
  const compiled = new CompiledQueries();

  const resultOf = ({ data, errors }: ExecutionResult, requestId: string): LiveResult =>
    new LiveResult({
      ...(errors === undefined
        ? {}
        : { errors: errors.map((error) => formattedError(presenter.present(error, requestId))) }),
      ...(data === undefined ? {} : { data }),
    });

  const executeWith = (args: ExecutionArgs, context: GraphContext, snapshot: SnapshotStamp) => {
    const { schema, document, operationName, variableValues } = args;
    return compiled.execute(
      { schema, document, operationName, variableValues, rootValue: snapshot, contextValue: context },
      execute,
    );
  };

  const subscribe = async (args: ExecutionArgs, context: GraphContext & ServerContext) => {
    // Scopes and arguments, as this subscriber: what is refused is refused before anything is shared.
    const source = await createSourceEventStream(args);
    if (!(Symbol.asyncIterator in source)) return source;
    if (!(source instanceof LiveSource)) throw new Error('A field that is declared live gives no LiveSource.');
    const { principal, info } = context;
    const results = shared.join<SnapshotStamp>({
      key: keyOf(args, principal),
      source,
      execute: (snapshot) => {
        const requestId = randomUUID();
        const watched = { isTouched: false };
        const sharedContext = { ...program, ...visibleParts(principal, watched) };
        const shareable = (result: ExecutionResult) => (watched.isTouched ? undefined : resultOf(result, requestId));
        const result = executeWith(args, sharedContext, snapshot);
        return result instanceof Promise ? result.then(shareable) : shareable(result);
      },
      executeAlone: (snapshot) => {
        // A context of its own for each snapshot, as the shared ones have: time goes on.
        const result = executeWith(args, { ...program, principal, info }, snapshot);
        return result instanceof Promise
          ? result.then((settled) => resultOf(settled, info.id))
          : resultOf(result, info.id);
      },
    });
    context.liveResults = results;
    return results;
  };

  return {
    onSubscribe({ args, setSubscribeFn }) {
      if (isLiveOperation(args)) setSubscribeFn((given) => subscribe(given, args.contextValue));
    },
    onResponse({ response, serverContext: { liveResults, res } }) {
      // Yoga asks for the first result when it has sent the head; what comes from then on until the end is sent past it.
      if (response.headers.get('content-type') === 'text/event-stream') liveResults?.pushTo(new EventSink(res));
    },
  };
}

/** Whether the one field of a subscription is declared live. */
function isLiveOperation({ schema, document, operationName }: ExecutionArgs): boolean {
  const operation = getOperationAST(document, operationName);
  const name = operation && rootFieldOf(operation, document);
  const field = name ? (schema as GraphQLSchema).getSubscriptionType()?.getFields()[name] : undefined;
  return field !== undefined && isLive(field);
}

function rootFieldOf(
  operation: OperationDefinitionNode,
  { definitions }: ExecutionArgs['document'],
): string | undefined {
  const fragments = definitions.filter((each) => each.kind === Kind.FRAGMENT_DEFINITION);
  const find = ({ selections }: SelectionSetNode): string | undefined => {
    for (const selection of selections) {
      if (selection.kind === Kind.FIELD) return selection.name.value;
      const fragment =
        selection.kind === Kind.INLINE_FRAGMENT
          ? selection
          : fragments.find(({ name }) => name.value === selection.name.value);
      const found = fragment && find(fragment.selectionSet);
      if (found !== undefined) return found;
    }
    return undefined;
  };
  return find(operation.selectionSet);
}

const bindings: Readonly<Record<keyof Binding, true>> = {
  tenantId: true,
  productId: true,
  engineId: true,
  userId: true,
  appId: true,
};

const bindingNames = Object.keys(bindings) as (keyof Binding)[];

function keyOf({ document, operationName, variableValues }: ExecutionArgs, principal: Principal): string {
  const visibility = [principal.kind, ...bindingNames.map((name) => principal[name]), ...[...principal.scopes].sort()];
  return canonicalJson([document.loc?.source.body, operationName, variableValues ?? {}, visibility]);
}

/** A resolver wants to know more of who asks than subscribers have in common. */
class DependsOnSubscriber extends Error {
  override readonly name = 'DependsOnSubscriber';
}

/**
 * Of a principal and its request, what all subscribers have in common who see the same. Whoever reads anything else is
 * stopped, and `watched` says so.
 */
function visibleParts(
  { kind, scopes, ...others }: Principal,
  watched: { isTouched: boolean },
): Pick<GraphContext, 'principal' | 'info'> {
  const refuse = (): never => {
    watched.isTouched = true;
    throw new DependsOnSubscriber('This depends on who asks.');
  };
  const common = { kind, scopes, ...Object.fromEntries(bindingNames.map((name) => [name, others[name]])) };
  const guard = (visible: object): object =>
    new Proxy(visible, {
      get: (target, name) => (typeof name === 'symbol' || name in target ? Reflect.get(target, name) : refuse()),
      has: (target, name) => name in target || refuse(),
      ownKeys: refuse,
    });
  // The guard has what resolvers may read, and stands for the rest.
  return { principal: guard(common) as Principal, info: guard({}) as RequestInfo };
}
