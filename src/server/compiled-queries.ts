import {
  BREAK,
  type DocumentNode,
  type ExecutionArgs,
  type ExecutionResult,
  GraphQLError,
  getOperationAST,
  Kind,
  type OperationDefinitionNode,
  type Source,
  type ValueNode,
  visit,
} from 'graphql';
import type { PromiseOrValue } from 'graphql/jsutils/PromiseOrValue.js';
import { type CompiledQuery, compileQuery, isCompiledQuery } from 'graphql-jit';

/** Executions after which a query is worth its compilation, which takes as long as some hundred executions save. */
const compileAfter = 25;

/** How often each operation of a document was executed; then how to run it. Kept as long as yoga keeps the document. */
type Operations = Map<string, number | CompiledQuery['query'] | 'interpreted'>;

/** Carries a validated operation out, as yoga's own executor does. */
export type Interpret = (args: ExecutionArgs) => PromiseOrValue<ExecutionResult>;

/**
 * Compiles queries, commands, and the results of live subscriptions, that are executed again and again: a dashboard sends
 * the same few all day, and a gateway the same two a thousand times a second. The compiler passes an omitted field of an
 * input that is written with variables as null. To a patch these are different things, and the field may have a default
 * and be never null: operations in which it can happen are not compiled, nor are several commands in one operation.
 */
export class CompiledQueries {
  readonly #documents = new WeakMap<DocumentNode, Operations>();

  /** @param interpret what executes a query that is not compiled */
  execute(args: ExecutionArgs, interpret: Interpret): PromiseOrValue<ExecutionResult> {
    const { contextValue, document, rootValue, variableValues } = args;
    const operations = this.#operationsOf(document);
    const name = args.operationName ?? '';
    const state = operations.get(name) ?? 0;
    if (typeof state === 'number') {
      const operation = getOperationAST(document, args.operationName);
      // A name that the document lacks is an error, and callers can think of any number of them.
      if (operation !== undefined && operation !== null) {
        operations.set(name, state < compileAfter ? state + 1 : compile(args, operation));
      }
    }
    if (typeof state !== 'function') return interpret(args);
    const finish = (result: ExecutionResult): PromiseOrValue<ExecutionResult> => {
      if (result.errors === undefined) return result;
      // Without data nothing was executed: a variable is of the wrong type. The interpreter names it as always.
      if (result.data === undefined) return interpret(args);
      // Errors first, as the interpreter has them: an answer is the same bytes whichever of the two made it.
      return { errors: result.errors.map((error) => located(error, document)), data: result.data };
    };
    const result = state(rootValue, contextValue, variableValues);
    return result instanceof Promise ? result.then(finish) : finish(result);
  }

  #operationsOf(document: DocumentNode): Operations {
    const known = this.#documents.get(document);
    if (known !== undefined) return known;
    const operations: Operations = new Map();
    this.#documents.set(document, operations);
    return operations;
  }
}

function compile(
  { schema, document, operationName }: ExecutionArgs,
  operation: OperationDefinitionNode,
): CompiledQuery['query'] | 'interpreted' {
  if (hasSeveralCommands(operation) || leavesInputsOpen(document, operation)) return 'interpreted';
  const compiled = compileQuery(schema, document, operationName ?? undefined, {
    useExperimentalPathBasedSkipInclude: true,
  });
  return isCompiledQuery(compiled) ? compiled.query : 'interpreted';
}

/** Whether there is more to it than one command: they are carried out one after the other, as the executor has it. */
const hasSeveralCommands = ({ operation, selectionSet: { selections } }: OperationDefinitionNode): boolean =>
  operation === 'mutation' && (selections.length !== 1 || selections[0]?.kind !== Kind.FIELD);

/** Whether an object or a list is written with variables that can be omitted or null: `orderBy: { direction: $d }`. */
function leavesInputsOpen(document: DocumentNode, { variableDefinitions = [] }: OperationDefinitionNode): boolean {
  const open = new Set(
    variableDefinitions.flatMap(({ type, variable }) =>
      type.kind === Kind.NON_NULL_TYPE ? [] : [variable.name.value],
    ),
  );
  let found = false;
  const look = (value: ValueNode): typeof BREAK | undefined => {
    if (value.kind !== Kind.VARIABLE || !open.has(value.name.value)) return undefined;
    found = true;
    return BREAK;
  };
  visit(document, {
    ObjectField: ({ value }) => look(value),
    ListValue: ({ values }) => values.map(look).find((answer) => answer === BREAK),
  });
  return found;
}

/** The compiler's errors say where they lie in lines and columns, which GraphQL's own work out of offsets. */
function located(error: GraphQLError, { loc }: DocumentNode): GraphQLError {
  const { message, path, originalError, extensions, locations } = error;
  if (loc === undefined || locations === undefined) return error;
  return new GraphQLError(message, {
    source: loc.source,
    positions: locations.map(({ line, column }) => lineStart(loc.source, line) + column - 1),
    path: path ?? null,
    originalError: originalError ?? null,
    extensions,
  });
}

function lineStart({ body }: Source, line: number): number {
  const ends = body.matchAll(/\r\n|[\n\r]/g);
  let start = 0;
  for (let count = 1; count < line; count += 1) {
    const end = ends.next().value;
    if (end === undefined) return start;
    start = end.index + end[0].length;
  }
  return start;
}
