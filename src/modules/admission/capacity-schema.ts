import { builder } from '../../graph/builder.ts';
import type { GraphContext } from '../../graph/context.ts';
import { loaderOf } from '../../graph/loaders.ts';
import { DeploymentCapacity, ModelCapacity } from '../capacity/schema.ts';
import type { LiveFigures } from './owner.ts';

const description = {
  inFlight: 'How many run now, in the whole deployment.',
  queued: 'How many wait now, likewise.',
} as const;

/** Taken once for all that one request asks for. */
const figuresFor = (context: GraphContext): Promise<LiveFigures> =>
  loaderOf<LiveFigures>(context, 'live figures', async (keys) => {
    const figures = await context.services.admission.figures();
    return keys.map(() => figures);
  }).load('all');

for (const name of ['inFlight', 'queued'] as const) {
  builder.objectField(DeploymentCapacity, name, (t) =>
    t.int({
      description: description[name],
      resolve: async (_capacity, _args, context) => (await figuresFor(context))[name],
    }),
  );
  builder.objectField(ModelCapacity, name, (t) =>
    t.int({
      description: description[name],
      resolve: async ({ modelId }, _args, context) => (await figuresFor(context)).models[modelId]?.[name] ?? 0,
    }),
  );
}
