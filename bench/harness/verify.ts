/** One pass over every operation before anything is measured: the answers must hold the seeded rows, all of them. */
import { deepStrictEqual } from 'node:assert';
import type { DatabaseFacts, OperationName, Operations } from '../contenders/contender.ts';
import { idPlaceholder, namePlaceholder, operationNames, secretPlaceholder } from '../contenders/contender.ts';
import {
  createdNamePrefix,
  expectedCreation,
  expectedGroups,
  expectedTenant,
  expectedTenantPage,
  tenantName,
} from './dataset.ts';
import { KeepAliveClient, requestHead } from './keep-alive-client.ts';
import { expectedKey, expectedKeyPage, expectedKeyPageByName, keySecret } from './keys.ts';
import type { RunningServer } from './processes.ts';
import type { StatementCosts, StatementCounter } from './statement-counter.ts';

export type CostsByOperation = Readonly<Partial<Record<OperationName, StatementCosts>>>;

/** Often enough that plans are cached, pools are filled and the statements of start-up are behind. */
const repetitions = 40;

const verifiedTenantNumber = 4_321;
const verifiedKeyNumber = 54_321;

const byName = (left: { readonly name: string }, right: { readonly name: string }): number =>
  left.name < right.name ? -1 : 1;

function compare(operations: Partial<Operations>, name: OperationName, createdName: string, body: string): void {
  if (name === 'tenant') deepStrictEqual(operations.tenant?.read(body), expectedTenant(verifiedTenantNumber));
  if (name === 'tenantPage') deepStrictEqual(operations.tenantPage?.read(body), expectedTenantPage());
  if (name === 'createTenant') deepStrictEqual(operations.createTenant?.read(body), expectedCreation(createdName));
  // The order of the groups themselves is each server's own.
  if (name === 'groups') deepStrictEqual([...(operations.groups?.read(body) ?? [])].sort(byName), expectedGroups());
  if (name === 'keyPage') deepStrictEqual(operations.keyPage?.read(body), expectedKeyPage());
  if (name === 'keyPageByName') deepStrictEqual(operations.keyPageByName?.read(body), expectedKeyPageByName());
  if (name === 'verifyKey') deepStrictEqual(operations.verifyKey?.read(body), expectedKey(verifiedKeyNumber));
  if (name === 'verifySeenKey') deepStrictEqual(operations.verifySeenKey?.read(body), expectedKey(verifiedKeyNumber));
}

/**
 * The cheapest of all repetitions counts: the others hold what a server does by the way, such as filling its pool,
 * preparing statements on a new connection, or housekeeping.
 */
const isCheaper = (left: StatementCosts, right: StatementCosts): boolean =>
  left.statementCount < right.statementCount ||
  (left.statementCount === right.statementCount && left.parseCount < right.parseCount);

async function verifyOperation(
  { contender, target }: RunningServer,
  client: KeepAliveClient,
  operations: Partial<Operations>,
  name: OperationName,
  counter: StatementCounter,
): Promise<StatementCosts | undefined> {
  const spelled = operations[name];
  if (spelled === undefined) return undefined;
  const head = requestHead({ ...target, path: spelled.path ?? target.path });
  let costs: StatementCosts | undefined;
  for (let repetition = 1; repetition <= repetitions; repetition += 1) {
    counter.reset();
    const createdName = `${createdNamePrefix}verify-${contender.name}-${repetition}`;
    const body = spelled.bodyTemplate
      .replaceAll(secretPlaceholder, keySecret(verifiedKeyNumber))
      .replaceAll(namePlaceholder, name === 'createTenant' ? createdName : tenantName(verifiedTenantNumber))
      .replaceAll(idPlaceholder, crypto.randomUUID());
    const answer = await client.send(body, head);
    const text = answer.body.toString('utf8');
    try {
      deepStrictEqual(answer.status, 200);
      compare(operations, name, createdName, text);
    } catch (error) {
      throw new Error(
        `${contender.name} answers ${name} wrongly: ${(error as Error).message}\n${text.slice(0, 2_000)}`,
      );
    }
    const own = counter.costs();
    if (costs === undefined || isCheaper(own, costs)) costs = own;
  }
  if (costs === undefined) throw new Error('nothing was repeated');
  return costs;
}

export async function verifyServer(
  server: RunningServer,
  facts: DatabaseFacts,
  counter: StatementCounter,
): Promise<CostsByOperation> {
  const operations = server.contender.operations(facts);
  const client = await KeepAliveClient.open(server.target);
  try {
    const costs: Partial<Record<OperationName, StatementCosts>> = {};
    for (const name of operationNames) {
      const own = await verifyOperation(server, client, operations, name, counter);
      if (own !== undefined) costs[name] = own;
    }
    return costs;
  } finally {
    client.close();
  }
}
