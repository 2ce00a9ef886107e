import { beforeEach, describe, expect, it } from 'vitest';
import { expectNoFailures } from '../../testkit/bad-input.ts';
import { statementsOf } from '../../testkit/statements.ts';
import { startGateways, written } from './gateways.ts';

const { app, seed, idsOf } = await startGateways();
const { operator, clock } = app;
expectNoFailures(app);
// Time stands still, so what a caller may spend does not come back by itself.
beforeEach(() => clock.advance(600_000));

describe('gateways', () => {
  it.each(['NAME', 'REGISTERED_AT'] as const)(
    'are sorted by %s in both directions, and found by name',
    async (field) => {
      const made: { id: string; key: string }[] = [];
      for (const prefix of ['c', 'A', 'b']) {
        clock.advance(5);
        const { id, name } = await seed.gateway({ name: `${prefix} sorted by ${field}` });
        made.push({ id, key: field === 'NAME' ? name.toLowerCase() : clock.now().toISOString() });
      }
      const ascending = made.toSorted((one, another) => (one.key < another.key ? -1 : 1)).map(({ id }) => id);
      const filter = { name: { contains: `SORTED by ${field}` } };
      expect(await idsOf({ filter, orderBy: { field, direction: 'ASC' } })).toEqual(ascending);
      expect(await idsOf({ filter, orderBy: { field, direction: 'DESC' } })).toEqual(ascending.toReversed());
    },
  );
});

it('a page of gateways sends these statements, however many there are', async () => {
  const query = `{ gateways(first: 100) { totalCount edges { node {
    name status key { name } tenant { name } capacity { maxInFlight source }
  } } } }`;
  const sent = async () => {
    clock.advance(600_000);
    await Promise.all([app.app.keyUsage.flush(), written(app)]);
    return (await statementsOf(app, () => operator.send(query))).toSorted();
  };
  await seed.gatewayOfKey((await seed.tenant()).id);
  const few = await sent();
  expect(few).toMatchSnapshot();
  for (let index = 0; index < 5; index += 1) await seed.gatewayOfKey();
  expect(await sent()).toEqual(few);
});
