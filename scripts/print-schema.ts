import { writeFile } from 'node:fs/promises';
import { printGraph } from '../src/graph/print.ts';
import { schema } from '../src/schema.ts';

await writeFile(new URL('../schema.graphql', import.meta.url), printGraph(schema));
