import type {
  ObservedCreation,
  ObservedGroupWithTenants,
  ObservedTenant,
  ObservedTenantPage,
} from '../harness/dataset.ts';
import type { ObservedKey, ObservedKeyPage } from '../harness/keys.ts';

export const operationNames = [
  'tenant',
  'tenantPage',
  'groups',
  'createTenant',
  'keyPage',
  'keyPageByName',
  'verifyKey',
  'verifySeenKey',
] as const;

export type OperationName = (typeof operationNames)[number];

export const operationTitles: Readonly<Record<OperationName, string>> = {
  tenant: 'one tenant by name, with its group',
  tenantPage: 'a page of 50 tenants, each with its group',
  groups: '11 groups, each with its first 10 tenants and their count',
  createTenant: 'creating a tenant',
  keyPage: 'a page of 50 of 100,000 keys: those that are active, newest first',
  keyPageByName: 'a page of 50 of 100,000 keys: those of a name that begins so, by name',
  verifyKey: 'verifying one of 100,000 keys, nothing cached',
  verifySeenKey: 'verifying one of 1,000 keys that were seen before',
};

/** Stand for a name, a fresh UUID and the secret of a key in a request body; the load generator puts them in. */
export const namePlaceholder = '@name@';
export const idPlaceholder = '@uuid@';
export const secretPlaceholder = '@secret@';

/** One operation as one server spells it: the body to send and how to read the answer. */
export interface Operation<Observed> {
  /** Where it is sent, if not to the path of the server. */
  readonly path?: string;
  /** JSON text with placeholders. */
  readonly bodyTemplate: string;
  /** Throws when the answer does not have the expected shape. */
  readonly read: (body: string) => Observed;
}

export interface Operations {
  readonly tenant: Operation<ObservedTenant>;
  readonly tenantPage: Operation<ObservedTenantPage>;
  readonly groups: Operation<readonly ObservedGroupWithTenants[]>;
  readonly createTenant: Operation<ObservedCreation>;
  readonly keyPage: Operation<ObservedKeyPage>;
  readonly keyPageByName: Operation<ObservedKeyPage>;
  readonly verifyKey: Operation<ObservedKey>;
  readonly verifySeenKey: Operation<ObservedKey>;
}

export interface StartContext {
  readonly databaseUrl: string;
  readonly port: number;
  readonly poolSize: number;
  /** An empty folder that is removed afterwards. */
  readonly scratchFolder: string;
}

export interface Contender {
  readonly name: string;
  /** Its script, relative to bench/. */
  readonly script: string;
  readonly environment: (context: StartContext) => Readonly<Record<string, string>>;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Those that the server has. */
  readonly operations: (facts: DatabaseFacts) => Partial<Operations>;
}

/** What a client of PostGraphile has to know because the table has no default for it. */
export interface DatabaseFacts {
  readonly defaultGroupId: string;
}

/**
 * Declares an operation whose answer has the shape `Answer`. The shape is asserted, not checked here: `read` goes
 * through all of it, and verification compares what it returns with the seeded rows.
 */
export function operation<Answer, Observed>(
  request: Readonly<Record<string, unknown>>,
  read: (answer: Answer) => Observed,
): Operation<Observed> {
  return { bodyTemplate: JSON.stringify(request), read: (body) => read(JSON.parse(body) as Answer) };
}

/** Fails where a server leaves out an id: every server has to select and print the same data. */
export function requireId(id: unknown): void {
  if (typeof id !== 'string' || id === '') throw new Error(`an id is missing: ${JSON.stringify(id)}`);
}

export const normaliseInstant = (text: string): string => new Date(text).toISOString();
