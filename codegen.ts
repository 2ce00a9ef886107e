import type { CodegenConfig } from '@graphql-codegen/cli';

const generated = (documents: string) =>
  ({
    documents: [documents, '!**/generated/**'] as string[],
    preset: 'client',
    presetConfig: { fragmentMasking: false },
    config: {
      documentMode: 'string',
      enumsAsTypes: true,
      useTypeImports: true,
      strictScalars: true,
      importExtension: '.ts',
      emitLegacyCommonJSImports: false,
      scalars: { DateTime: 'string', Decimal: 'string', JSONObject: 'Record<string, unknown>', SafeInt: 'number' },
    },
  }) satisfies CodegenConfig['generates'][string];

/**
 * Types of the operations that tests and examples write as graphql(`…`). A front end of one's own starts from the same
 * lines.
 */
const config: CodegenConfig = {
  schema: 'schema.graphql',
  ignoreNoDocuments: true,
  errorsOnly: true,
  generates: {
    './examples/generated/': generated('examples/**/*.ts'),
    './test/testkit/generated/': generated('test/**/*.ts'),
  },
};

export default config;
