import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { exportJWK, generateKeyPair, type JWK } from 'jose';
import { type Adapter, type JWKS, Provider } from 'oidc-provider';
import { scopeNames } from '../../src/access/scopes.ts';
import { afterFile } from './after-file.ts';

const client = { client_id: 'console', client_secret: 'a-secret-of-tests' } as const;
/** Carries what a test wants in its token to the provider. */
const claimsHeader = 'x-claims-of-test';

export interface TokenOptions {
  readonly audience: string;
  /** Added to what the provider writes, or written over it; undefined takes a claim away. */
  readonly claims?: Readonly<Record<string, unknown>>;
  readonly header?: Readonly<Record<string, unknown>>;
  readonly scope?: string;
}

type Algorithm = 'RS256' | 'PS256' | 'ES256' | 'EdDSA';

/** A signing key as a provider keeps it. */
export type SigningKey = JWK & { readonly kid: string; readonly alg: Algorithm };

export async function signingKey(kid: string, alg: Algorithm = 'ES256'): Promise<SigningKey> {
  const { privateKey } = await generateKeyPair(alg, { extractable: true });
  return { ...(await exportJWK(privateKey)), kid, alg, use: 'sig' };
}

/** Keeps nothing: tokens that are JWTs are in no store. */
class NoStore implements Adapter {
  async find(): Promise<undefined> {}
  async findByUid(): Promise<undefined> {}
  async findByUserCode(): Promise<undefined> {}
  async upsert(): Promise<void> {}
  async consume(): Promise<void> {}
  async destroy(): Promise<void> {}
  async revokeByGrantId(): Promise<void> {}
}

/** A real OpenID provider on loopback, which issues access tokens as JWTs to a client that knows its secret. */
export class OpenIdProvider {
  readonly #server: Server;
  readonly issuer: string;
  #provider: Provider;
  #keys: readonly SigningKey[];
  /** The paths that were asked for. */
  readonly requests: string[] = [];
  /** When set, requests are not answered. */
  silent = false;

  private constructor(server: Server, keys: readonly SigningKey[]) {
    this.#server = server;
    // A server that listens on a port has such an address.
    this.issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    this.#keys = keys;
    this.#provider = this.#make();
    this.#serve();
  }

  /** Starts one; it is stopped after the tests of the file. */
  static async start(keys: readonly SigningKey[]): Promise<OpenIdProvider> {
    const server = createServer();
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const provider = new OpenIdProvider(server, keys);
    afterFile(() => provider.stop());
    return provider;
  }

  get keys(): readonly SigningKey[] {
    return this.#keys;
  }

  /** How often its keys were read. */
  get keyReads(): number {
    return this.requests.filter((path) => path === '/jwks').length;
  }

  /** Goes on with these keys; the first of an algorithm signs. */
  replaceKeys(...keys: readonly SigningKey[]): void {
    this.#keys = keys;
    this.#provider = this.#make();
  }

  async stop(): Promise<void> {
    if (!this.#server.listening) return;
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, 'close');
  }

  async startAgain(): Promise<void> {
    this.#server.listen(Number(new URL(this.issuer).port), '127.0.0.1');
    await once(this.#server, 'listening');
  }

  /** An access token, as its client gets it. */
  async token({ audience, claims = {}, header = {}, scope }: TokenOptions): Promise<string> {
    const response = await fetch(`${this.issuer}/token`, {
      method: 'POST',
      headers: {
        authorization: `Basic ${btoa(`${client.client_id}:${client.client_secret}`)}`,
        // A connection that is kept is lost when the provider is stopped.
        connection: 'close',
        // JSON drops what is undefined.
        [claimsHeader]: encodeURIComponent(
          JSON.stringify({ claims, header, without: Object.keys(claims).filter((name) => claims[name] === undefined) }),
        ),
      },
      body: new URLSearchParams({
        grant_type: 'client_credentials',
        resource: audience,
        ...(scope === undefined ? {} : { scope }),
      }),
    });
    const answer = (await response.json()) as { access_token?: string; error_description?: string };
    if (answer.access_token === undefined) throw new Error(`No token: ${answer.error_description}`);
    return answer.access_token;
  }

  #serve(): void {
    this.#server.on('request', (request, response) => {
      this.requests.push(request.url ?? '');
      if (!this.silent) void this.#provider.callback()(request, response);
    });
  }

  #make(): Provider {
    const alg = this.#keys[0]?.alg ?? 'ES256';
    return new Provider(this.issuer, {
      clients: [
        {
          ...client,
          grant_types: ['client_credentials'],
          response_types: [],
          redirect_uris: [],
        },
      ],
      clientDefaults: { id_token_signed_response_alg: alg },
      // The two libraries describe the same keys by different types.
      jwks: { keys: [...this.#keys] as JWKS['keys'] },
      cookies: { keys: ['a-key-of-tests'] },
      adapter: NoStore,
      ttl: { ClientCredentials: 24 * 60 * 60 },
      enabledJWA: { idTokenSigningAlgValues: [alg] },
      features: {
        devInteractions: { enabled: false },
        clientCredentials: { enabled: true },
        resourceIndicators: {
          enabled: true,
          getResourceServerInfo: () => ({
            scope: ['openid', 'shop:buy', ...scopeNames].join(' '),
            accessTokenFormat: 'jwt',
            jwt: { sign: { alg } },
          }),
        },
      },
      formats: {
        customizers: {
          jwt: (context, _token, parts) => {
            const { claims, header, without } = JSON.parse(decodeURIComponent(context.get(claimsHeader)));
            Object.assign(parts.payload, claims);
            for (const name of without) delete parts.payload[name];
            parts.header = { ...parts.header, ...header };
          },
        },
      },
    });
  }
}
