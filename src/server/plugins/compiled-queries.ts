import { type DocumentNode, type ExecutionArgs, getOperationAST } from 'graphql';
import { type CompiledQuery, compileQuery, isCompiledQuery } from 'graphql-jit';
import type { Plugin } from 'graphql-yoga';

/** Executions after which a query is worth its compilation, which takes as long as some hundred executions save. */
const compileAfter = 25;

/** How often each operation of a document was executed; then how to run it. Kept as long as yoga keeps the document. */
type Operations = Map<string, number | CompiledQuery['query'] | 'interpreted'>;

/**
 * Compiles queries that are executed again and again: a dashboard sends the same few all day. Commands are never
 * compiled, since the compiler passes an omitted field of an input that is written with variables as null, and to a
 * patch these are different things.
 */
export function useCompiledQueries(): Plugin {
  const documents = new WeakMap<DocumentNode, Operations>();

  const compile = ({ schema, document, operationName }: ExecutionArgs): CompiledQuery['query'] | 'interpreted' => {
    const compiled = compileQuery(schema, document, operationName ?? undefined, {
      useExperimentalPathBasedSkipInclude: true,
    });
    return isCompiledQuery(compiled) ? compiled.query : 'interpreted';
  };

  return {
    onExecute({ args, executeFn, setExecuteFn }) {
      const operations: Operations = documents.get(args.document) ?? new Map();
      documents.set(args.document, operations);
      const name = args.operationName ?? '';
      const state = operations.get(name) ?? 0;
      if (typeof state === 'function') {
        setExecuteFn((given) => {
          const result = state(given.rootValue, given.contextValue, given.variableValues);
          // Without data nothing was executed: a variable is of the wrong type. The interpreter names it as always.
          return 'errors' in result && result.data === undefined ? executeFn(given) : result;
        });
      } else if (typeof state === 'number') {
        const operation = getOperationAST(args.document, args.operationName);
        // A name that the document lacks is an error, and callers can think of any number of them.
        if (operation?.operation === 'query') operations.set(name, state < compileAfter ? state + 1 : compile(args));
      }
    },
  };
}
