import { keyNameStart, type ObservedKeyPage, pepper } from '../harness/keys.ts';
import { type Contender, type Operation, operation, secretPlaceholder } from './contender.ts';
import { type ListedKeyAnswer, readListedKey } from './key-page.ts';
import { type KeyAnswer, readKey } from './verify-key.ts';

const verifyKey = operation({ key: secretPlaceholder }, (answer: KeyAnswer) => readKey(answer));

interface KeyPageAnswer {
  readonly keys: readonly ListedKeyAnswer[];
  readonly hasNextPage: boolean;
  readonly endCursor: string;
}

const keyPage = (path: string, request: Readonly<Record<string, unknown>>): Operation<ObservedKeyPage> => ({
  path,
  ...operation(request, ({ keys, hasNextPage, endCursor }: KeyPageAnswer) => ({
    keys: keys.map(readListedKey),
    hasNextPage,
    hasEndCursor: endCursor !== '',
  })),
});

/** Hand-written look-ups and lists of keys: what a team would otherwise write. It has no credentials of its own. */
export const fastify: Contender = {
  name: 'fastify',
  script: 'servers/fastify.ts',
  environment: ({ databaseUrl, port, poolSize }) => ({
    DATABASE_URL: databaseUrl,
    PORT: String(port),
    POOL_SIZE: String(poolSize),
    PEPPER: pepper.toString('hex'),
  }),
  path: '/verify',
  headers: {},
  operations: () => ({
    verifyKey,
    verifySeenKey: verifyKey,
    keyPage: keyPage('/keys/active', { first: 50 }),
    keyPageByName: keyPage('/keys/by-name', { first: 50, startsWith: keyNameStart }),
  }),
};
