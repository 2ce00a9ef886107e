import { type ExecutionResult, GraphQLError, type GraphQLFormattedError } from 'graphql';
import type { Plugin } from 'graphql-yoga';
import type { Logger } from 'pino';
import type { GraphContext } from '../../graph/context.ts';

interface Options {
  readonly log: Logger;
  /** Whether messages may suggest names of the schema. */
  readonly suggestions: boolean;
}

/** What callers see of an error: what they can act on, with a code; nothing of the server's insides. */
export class ErrorPresenter {
  readonly #log: Logger;
  readonly #suggestions: boolean;

  constructor({ log, suggestions }: Options) {
    this.#log = log;
    this.#suggestions = suggestions;
  }

  /** @param requestId joins what the caller sees with what the log says */
  present(error: unknown, requestId: string | undefined): GraphQLError {
    if (!(error instanceof GraphQLError) || !isMeantForCaller(error)) {
      this.#log.error({ err: originalOf(error), requestId }, 'an operation failed');
      return new GraphQLError('The server failed to carry this out. Tell the operator the request id.', {
        ...positionOf(error),
        extensions: { code: 'INTERNAL_SERVER_ERROR', requestId, http: { status: 500, spec: true } },
      });
    }
    const message = this.#suggestions ? error.message : error.message.replace(/ ?Did you mean .*\?/, '');
    const code = error.extensions.code ?? codeOf(error);
    return new GraphQLError(message, {
      ...positionOf(error),
      extensions: { ...error.extensions, code },
    });
  }

  presentResult(result: ExecutionResult, requestId: string): ExecutionResult {
    if (result.errors === undefined) return result;
    return { ...result, errors: result.errors.map((error) => this.present(error, requestId)) };
  }
}

/** An error as it is sent, without what is said in it to the HTTP server. */
export function formattedError(error: GraphQLError): GraphQLFormattedError {
  const { http: _http, ...extensions } = error.extensions;
  return { ...error.toJSON(), extensions };
}

/** Where in the operation and in the answer it happened. */
const positionOf = (error: unknown) =>
  error instanceof GraphQLError
    ? {
        nodes: error.nodes ?? null,
        source: error.source ?? null,
        positions: error.positions ?? null,
        path: error.path ?? null,
      }
    : {};

/**
 * Errors that a resolver threw have an original error, and ours are GraphQLErrors that name a code. Those without a code
 * are GraphQL's own: about the document or its variables, and then without a path, or else about a value of ours that
 * its type cannot have. Only an argument's value that is wrong for its variables is found as late and is the caller's.
 */
function isMeantForCaller({ originalError, extensions, path, message }: GraphQLError): boolean {
  if (originalError && !(originalError instanceof GraphQLError)) return false;
  return extensions.code !== undefined || path === undefined || message.startsWith('Argument "');
}

function originalOf(error: unknown): unknown {
  return error instanceof GraphQLError ? (error.originalError ?? error) : error;
}

/** GraphQL's own errors name no code. */
function codeOf(error: GraphQLError): string {
  if (error.message.startsWith('Syntax Error')) return 'GRAPHQL_PARSE_FAILED';
  if (error.message.startsWith('Variable "$')) return 'BAD_USER_INPUT';
  return 'GRAPHQL_VALIDATION_FAILED';
}

/** Presents the errors of documents that are refused, and those of each event of a subscription. */
export function useErrors(presenter: ErrorPresenter): Plugin<GraphContext> {
  const clean = (result: ExecutionResult, { info }: GraphContext) => presenter.presentResult(result, info.id);
  return {
    onValidate:
      ({ context }) =>
      ({ valid, result, setResult }) => {
        // The context of resolvers is made later; what the HTTP server gave is there.
        const { info } = context as Partial<GraphContext>;
        if (!valid) setResult(result.map((error) => presenter.present(error, info?.id)));
      },
    onSubscribe: ({ args }) => ({
      onSubscribeResult: ({ result, setResult }) => {
        if (isResult(result) && result.errors !== undefined) setResult(clean(result, args.contextValue));
        return {
          onNext: ({ result: event, setResult: setEvent }) => {
            if (isResult(event) && event.errors !== undefined) setEvent(clean(event, args.contextValue));
          },
        };
      },
      onSubscribeError: ({ error, setError }) => setError(presenter.present(error, args.contextValue.info.id)),
    }),
  };
}

const isResult = (result: object): result is ExecutionResult => 'data' in result || 'errors' in result;
