import { getOperationAST } from 'graphql';
import type { Plugin } from 'graphql-yoga';
import type { GraphContext } from '../../graph/context.ts';
import type { Interpret } from '../compiled-queries.ts';
import type { ServerContext } from '../context.ts';
import type { DirectLane } from '../direct-lane.ts';
import type { Operations } from '../operations.ts';

interface Options {
  readonly operations: Operations;
  readonly lane: Pick<DirectLane, 'learnOperation' | 'learnMediaType'>;
}

type Context = GraphContext & ServerContext;

/** Carries queries and commands out, and tells the direct lane which ones it may take from now on. */
export const useOperations = ({ operations, lane }: Options): Plugin<Context, ServerContext> => ({
  onExecute({ args, executeFn, setExecuteFn }) {
    const { contextValue, document, operationName } = args;
    const type = getOperationAST(document, operationName)?.operation;
    // An answer in parts is one to @defer and @stream, which the graph does not have.
    const interpret = executeFn as Interpret;
    setExecuteFn((given) => operations.run({ ...given, contextValue }, type ?? 'unknown', interpret));
    const { request, params } = contextValue;
    // A socket's operations have the request of its upgrade.
    if (request === undefined || type === undefined) return;
    contextValue.hasExecuted = true;
    lane.learnOperation(params, { document, type, interpret });
  },
  onResponse({ response, serverContext }) {
    if (serverContext.hasExecuted) lane.learnMediaType(serverContext.req, response.headers.get('content-type'));
  },
});
