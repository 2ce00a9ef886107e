import SchemaBuilder, { BasePlugin, type PothosOutputFieldConfig, type SchemaTypes } from '@pothos/core';
import type { RequiredScopes } from '../access/scopes.ts';

const pluginName = 'requiredScopes';

declare global {
  export namespace PothosSchemaTypes {
    interface Plugins<Types extends SchemaTypes> {
      requiredScopes: RequiredScopesPlugin<Types>;
    }
  }
}

const rootTypes: ReadonlySet<string> = new Set(['Query', 'Mutation', 'Subscription']);

/**
 * Prints what `authScopes` enforces: the one declaration becomes `@requiresScopes` in the schema. A field of a root
 * type without a declaration stops the schema from being built, so none is open by oversight.
 */
class RequiredScopesPlugin<Types extends SchemaTypes> extends BasePlugin<Types> {
  override onOutputFieldConfig(config: PothosOutputFieldConfig<Types>): PothosOutputFieldConfig<Types> {
    const required = requiredScopesOf(config.pothosOptions);
    if (required === undefined) {
      if (rootTypes.has(config.parentType)) {
        throw new Error(`${config.parentType}.${config.name} declares no scopes: add ...requires(…) to its options.`);
      }
      return config;
    }
    if (required.length === 0) return config;
    return {
      ...config,
      extensions: { ...config.extensions, directives: { requiresScopes: { scopes: required } } },
    };
  }
}

function requiredScopesOf(options: object): RequiredScopes | undefined {
  if (!('authScopes' in options) || typeof options.authScopes !== 'object' || options.authScopes === null) {
    return undefined;
  }
  const { authScopes } = options;
  // Only `requires` makes this value, and it takes nothing else.
  return 'anyOf' in authScopes ? (authScopes.anyOf as RequiredScopes) : undefined;
}

SchemaBuilder.registerPlugin(pluginName, RequiredScopesPlugin);

export default pluginName;
