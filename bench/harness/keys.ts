/** The keys that every run starts from, as a pure function of their number. */
import { createHmac } from 'node:crypto';
import type { Client } from 'pg';
import { checksum, hashSecret } from '../../src/access/secrets.ts';
import { pageLength, tenantCount, tenantName } from './dataset.ts';

export const keyCount = 100_000;

/** How many of them are verified again and again where keys were seen before. */
export const seenKeyCount = 1_000;

/** What hashes are made under, by all servers. */
export const pepper = createHmac('sha256', 'bench').update('pepper').digest();

const scopes = ['cloud:inference', 'catalog:read', 'models:read'];

export const keyName = (number: number): string => `key-${String(number).padStart(6, '0')}`;

/** Of the form of a secret that was made by the server, so that its checksum is checked as ever. */
export function keySecret(number: number): string {
  const body = `fl_user_${String(number).padStart(6, '0').padStart(43, '7')}`;
  return `${body}_${checksum(body)}`;
}

const tenantNumberOf = (keyNumber: number): number => ((keyNumber * 7) % tenantCount) + 1;

export interface ObservedKey {
  readonly isValid: boolean;
  readonly reason: string | null;
  readonly kind: string;
  readonly name: string;
  readonly scopes: readonly string[];
  /** ISO 8601 in UTC with milliseconds. */
  readonly expiresAt: string;
  readonly tenantName: string;
  readonly userExternalId: string;
}

const expiresAt = '2099-01-01T00:00:00.000Z';

export const expectedKey = (number: number): ObservedKey => ({
  isValid: true,
  reason: null,
  kind: 'USER',
  name: keyName(number),
  scopes,
  expiresAt,
  tenantName: tenantName(tenantNumberOf(number)),
  userExternalId: `user-${tenantNumberOf(number)}`,
});

/** A key as lists show it. */
export interface ObservedListedKey {
  readonly name: string;
  readonly kind: string;
  readonly state: string;
  readonly scopes: readonly string[];
  /** ISO 8601 in UTC with milliseconds. */
  readonly expiresAt: string;
}

export interface ObservedKeyPage {
  readonly keys: readonly ObservedListedKey[];
  readonly hasNextPage: boolean;
  readonly hasEndCursor: boolean;
}

/** Of 100 keys. */
export const keyNameStart = 'key-0543';
const firstNumberOfNameStart = 54_300;

/** The higher the number, the older the key; the first has the number 1. */
export const lastOfKeyPage = keyName(pageLength);
export const lastOfKeyPageByName = keyName(firstNumberOfNameStart + pageLength - 1);

const keyPageFrom = (first: number): ObservedKeyPage => ({
  keys: Array.from({ length: pageLength }, (_, index) => ({
    name: keyName(first + index),
    kind: 'USER',
    state: 'ACTIVE',
    scopes,
    expiresAt,
  })),
  hasNextPage: true,
  hasEndCursor: true,
});

export const expectedKeyPage = (): ObservedKeyPage => keyPageFrom(1);

export const expectedKeyPageByName = (): ObservedKeyPage => keyPageFrom(firstNumberOfNameStart);

/** Makes a user in each tenant, and keys for the users. The tenants have to be there. */
export async function seedKeys(client: Client): Promise<void> {
  await client.query(
    `insert into tenant_user (id, tenant_id, external_id, updated_at)
     select gen_random_uuid(), id, 'user-' || right(name, 5)::int, now() from tenant`,
  );
  const numbers = Array.from({ length: keyCount }, (_, index) => index + 1);
  await client.query(
    `insert into api_key (id, kind, name, name_folded, tenant_id, user_id, scopes, start, expires_at, created_by_id,
       created_by_name, created_at, updated_at)
     select gen_random_uuid(), 'USER', key.name, key.name, tenant.id, tenant_user.id, $3, 'fl_user_7777', $4, 'bench', 'bench',
       now() - key.number * interval '1 minute', now()
     from unnest($1::text[], $2::text[]) with ordinality as key (name, tenant, number)
     join tenant on tenant.name = key.tenant join tenant_user on tenant_user.tenant_id = tenant.id
     order by md5(key.name)`,
    [numbers.map(keyName), numbers.map((number) => tenantName(tenantNumberOf(number))), scopes, expiresAt],
  );
  await client.query(
    `insert into api_key_secret (id, key_id, tenant_id, hash, hash_scheme, origin, start)
     select gen_random_uuid(), api_key.id, api_key.tenant_id, secret.hash, '1', 'GENERATED', api_key.start
     from unnest($1::text[], $2::bytea[]) as secret (name, hash) join api_key on api_key.name = secret.name
     order by md5(secret.name)`,
    [
      numbers.map(keyName),
      numbers.map((number) =>
        createHmac('sha256', pepper)
          .update(hashSecret(keySecret(number)))
          .digest(),
      ),
    ],
  );
  await client.query('update secret_hashing set pepper_version = 1');
}
