import { defineConfig } from 'prisma/config';

// `prisma generate` insists that a schema-engine binary exists and would download one. Nothing here runs that binary:
// migrations go through the engine's WebAssembly build (src/database/migrations.ts), so any existing file will do.
process.env.PRISMA_SCHEMA_ENGINE_BINARY ??= process.execPath;

export default defineConfig({ schema: 'prisma/schema.prisma' });
