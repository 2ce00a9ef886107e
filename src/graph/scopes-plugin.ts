import SchemaBuilder, {
  BasePlugin,
  type FieldNullability,
  type InputFieldMap,
  type InputShapeFromFields,
  type PothosOutputFieldConfig,
  type SchemaTypes,
  type TypeParam,
} from '@pothos/core';
import type { GraphQLFieldResolver } from 'graphql';
import { hasScopes, type RequiredScopes } from '../access/scopes.ts';
import type { GraphContext } from './context.ts';
import { RequestError } from './errors.ts';

const pluginName = 'requiredScopes';

declare global {
  export namespace PothosSchemaTypes {
    interface Plugins<Types extends SchemaTypes> {
      requiredScopes: RequiredScopesPlugin<Types>;
    }

    // The names and the order of the parameters are those of Pothos.
    interface FieldOptions<
      Types extends SchemaTypes,
      ParentShape,
      Type extends TypeParam<Types>,
      Nullable extends FieldNullability<Type>,
      Args extends InputFieldMap,
      ResolveShape,
      ResolveReturnShape,
    > {
      /** What the field needs of its caller: any one of the lists, all of its scopes. */
      requiredScopes?: RequiredScopes;
      /** Is told of a caller who does not have them, before the error is thrown. */
      onForbidden?: (args: InputShapeFromFields<Args>, context: Types['Context']) => Promise<void>;
    }
  }
}

const rootTypes: ReadonlySet<string> = new Set(['Query', 'Mutation', 'Subscription']);

type Resolver = GraphQLFieldResolver<unknown, object, object>;

/**
 * Enforces what a field needs of its caller, and prints it as `@requiresScopes`, from the one declaration. A field of a
 * root type without a declaration stops the schema from being built, so none is open by oversight.
 */
class RequiredScopesPlugin<Types extends SchemaTypes> extends BasePlugin<Types> {
  override onOutputFieldConfig(config: PothosOutputFieldConfig<Types>): PothosOutputFieldConfig<Types> {
    const { requiredScopes } = optionsOf(config);
    if (requiredScopes === undefined) {
      if (rootTypes.has(config.parentType)) {
        throw new Error(`${config.parentType}.${config.name} declares no scopes: add ...requires(…) to its options.`);
      }
      return config;
    }
    if (requiredScopes.length === 0) return config;
    return {
      ...config,
      extensions: { ...config.extensions, directives: { requiresScopes: { scopes: requiredScopes } } },
    };
  }

  override wrapResolve(resolver: Resolver, config: PothosOutputFieldConfig<Types>): Resolver {
    // Whoever may subscribe may have the results.
    return config.parentType === 'Subscription' ? resolver : guarded(resolver, optionsOf(config));
  }

  override wrapSubscribe(subscriber: Resolver | undefined, config: PothosOutputFieldConfig<Types>) {
    return subscriber && guarded(subscriber, optionsOf(config));
  }
}

interface Options {
  readonly requiredScopes?: RequiredScopes;
  readonly onForbidden?: (args: object, context: object) => Promise<void>;
}

// Pothos keeps the options of all plugins as those of fields whose types it does not know.
const optionsOf = ({ pothosOptions }: { readonly pothosOptions: object }): Options => pothosOptions;

function guarded(resolver: Resolver, { requiredScopes = [], onForbidden }: Options): Resolver {
  if (requiredScopes.length === 0) return resolver;
  return (parent, args, context, info) => {
    // The graph has no other context.
    const { principal } = context as GraphContext;
    if (hasScopes(principal.scopes, requiredScopes)) return resolver(parent, args, context, info);
    const error = new RequestError('FORBIDDEN', `Your credential has none of the scopes that ${info.fieldName} needs.`);
    if (onForbidden === undefined) throw error;
    return onForbidden(args, context).then(() => Promise.reject(error));
  };
}

SchemaBuilder.registerPlugin(pluginName, RequiredScopesPlugin);

export default pluginName;
