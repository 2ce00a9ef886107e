import { typeBrandKey } from '@pothos/core';
import { hasScopes, type RequiredScopes } from '../access/scopes.ts';
import { builder, requires } from './builder.ts';
import type { GraphContext } from './context.ts';
import { RequestError } from './errors.ts';
import type { NodeType } from './ids.ts';

/**
 * The `loadMany` of a type: finds its rows for `node` and `nodes` in one statement. They are marked with their type here:
 * the relay plugin does so later than those see them that ask for the same row in the same request.
 *
 * @param scopes what the caller needs to see any row of the type; `node` itself asks for nothing
 */
export const loadNodes =
  <Row extends object>(
    type: NodeType,
    scopes: RequiredScopes,
    load: (context: GraphContext, ids: readonly string[]) => Promise<Map<string, Row>>,
  ) =>
  async (ids: string[], context: GraphContext): Promise<(Row | null)[]> => {
    if (!hasScopes(context.principal.scopes, scopes)) {
      throw new RequestError('FORBIDDEN', 'Your credential has none of the scopes that this object needs.');
    }
    const rows = await load(context, ids);
    for (const row of rows.values()) Object.defineProperty(row, typeBrandKey, { value: type });
    return ids.map((id) => rows.get(id) ?? null);
  };

const idsMax = 100;

builder.queryField('nodes', (t) =>
  t.nodeList({
    ...requires(),
    description: 'The objects with these ids, at most 100, in their order; null where there is none that you may see.',
    args: { ids: t.arg.idList({ required: true, description: 'The ids of objects of any types.' }) },
    complexity: ({ ids }) => ({ field: ids.length, multiplier: ids.length }),
    ids: (_parent, { ids }) => {
      if (ids.length <= idsMax) return ids.map(String);
      throw new RequestError('INVALID_PAGE_SIZE', `ids: at most ${idsMax} ids at once, not ${ids.length}.`, {
        argument: 'ids',
      });
    },
  }),
);
