import { GraphQLError, NoSchemaIntrospectionCustomRule, parse } from 'graphql';
import type { Plugin } from 'graphql-yoga';
import type { Config } from '../../config.ts';
import { RequestError } from '../../graph/errors.ts';
import { operationLimitsRule } from '../../graph/operation-limits.ts';

/** Refuses operations that are too large before they are carried out, and introspection where it is off. */
export function useOperationLimits(config: Config['graph']): Plugin {
  const { maxTokens, introspection } = config;
  const limits = operationLimitsRule(config);
  const parseWithin: typeof parse = (source, options) => {
    try {
      return parse(source, { ...options, maxTokens });
    } catch (error) {
      if (error instanceof GraphQLError && error.message.includes(`more that ${maxTokens} tokens`)) {
        throw new RequestError('OPERATION_TOO_LARGE', `The document has more than ${maxTokens} tokens.`, {
          limit: maxTokens,
        });
      }
      throw error;
    }
  };
  return {
    onParse({ setParseFn }) {
      setParseFn(parseWithin);
    },
    onValidate({ addValidationRule }) {
      addValidationRule(limits);
      if (!introspection) addValidationRule(NoSchemaIntrospectionCustomRule);
    },
  };
}
