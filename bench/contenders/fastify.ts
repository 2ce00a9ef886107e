import { pepper } from '../harness/keys.ts';
import { type Contender, operation, secretPlaceholder } from './contender.ts';
import { type KeyAnswer, readKey } from './verify-key.ts';

const verifyKey = operation({ key: secretPlaceholder }, (answer: KeyAnswer) => readKey(answer));

/** A hand-written look-up of keys: what a gateway's team would otherwise write. It has no credentials of its own. */
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
  operations: () => ({ verifyKey, verifySeenKey: verifyKey }),
};
