import { createLocalJWKSet, errors, type JWTVerifyGetKey, type LocalJWKSet } from 'jose';
import type { Logger } from 'pino';
import { z } from 'zod';
import { isTrustworthyUrl, type OidcIssuer } from '../../config/oidc-issuers.ts';
import type { Clock } from '../../graph/context.ts';

/** Keys are read anew after this time, while those that are known are still used. */
const refreshAfterMs = 5 * 60_000;
/** How long keys are used when the provider cannot be reached meanwhile. */
const usableForMs = 60 * 60_000;
/** The least time between two attempts: a stranger can make tokens whose keys are not known, any number of them. */
const cooldownMs = 10_000;
/** How long an attempt may take in all. */
const defaultTimeoutMs = 5_000;

const discoverySchema = z.object({ issuer: z.string(), jwks_uri: z.string().refine(isTrustworthyUrl) });
const jwksSchema = z.object({ keys: z.array(z.looseObject({ kty: z.string() })) });

/** The keys of a provider cannot be had at the moment, so nothing can be said of its tokens. */
export class KeysUnavailableError extends Error {
  override readonly name = 'KeysUnavailableError';
}

interface Known {
  readonly find: LocalJWKSet;
  readonly readAt: number;
}

/**
 * The public keys of one provider. They are read when a token first needs them, again after a while, and when a token
 * names a key that is not among them: providers replace their keys. Whoever needs them at the same time waits for the
 * same answer.
 */
export class ProviderKeys {
  readonly #issuer: Pick<OidcIssuer, 'issuer' | 'jwksUri'>;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #timeoutMs: number;
  #known: Known | undefined;
  #triedAt: number | undefined;
  #reading: Promise<void> | undefined;

  constructor(parts: {
    readonly issuer: Pick<OidcIssuer, 'issuer' | 'jwksUri'>;
    readonly clock: Clock;
    readonly log: Logger;
    readonly timeoutMs?: number;
  }) {
    this.#issuer = parts.issuer;
    this.#clock = parts.clock;
    this.#log = parts.log;
    this.#timeoutMs = parts.timeoutMs ?? defaultTimeoutMs;
  }

  /** The key that a token's header names. @throws {KeysUnavailableError} when no keys can be had */
  readonly find: JWTVerifyGetKey = async (header, token) => {
    const known = await this.#usable();
    try {
      return await known.find(header, token);
    } catch (error) {
      if (!(error instanceof errors.JWKSNoMatchingKey)) throw error;
      await this.#refresh();
      const newer = this.#known;
      if (newer === undefined || newer === known) throw error;
      return newer.find(header, token);
    }
  };

  async #usable(): Promise<Known> {
    const known = this.#known;
    const age = known === undefined ? Number.POSITIVE_INFINITY : this.#since(known.readAt);
    if (known !== undefined && age < usableForMs) {
      if (age >= refreshAfterMs) void this.#refresh();
      return known;
    }
    await this.#refresh();
    if (this.#known === undefined || this.#since(this.#known.readAt) >= usableForMs) {
      throw new KeysUnavailableError(`The keys of ${this.#issuer.issuer} cannot be read.`);
    }
    return this.#known;
  }

  /** A clock that is set back must not stop anything for hours. */
  readonly #since = (time: number): number => Math.abs(this.#clock.now().getTime() - time);

  /** Reads the keys unless that was just tried; never fails. */
  #refresh(): Promise<void> {
    if (this.#reading !== undefined) return this.#reading;
    if (this.#triedAt !== undefined && this.#since(this.#triedAt) < cooldownMs) return Promise.resolve();
    const now = this.#clock.now().getTime();
    this.#triedAt = now;
    this.#reading = this.#read()
      .then((find) => {
        this.#known = { find, readAt: now };
      })
      .catch((error: unknown) => {
        this.#log.warn({ err: error, issuer: this.#issuer.issuer }, 'the keys of an OpenID provider cannot be read');
      })
      .finally(() => {
        this.#reading = undefined;
      });
    return this.#reading;
  }

  async #read(): Promise<LocalJWKSet> {
    const signal = AbortSignal.timeout(this.#timeoutMs);
    const { issuer, jwksUri = await discover(issuer, signal) } = this.#issuer;
    return createLocalJWKSet(jwksSchema.parse(await readJson(jwksUri, signal)));
  }
}

async function discover(issuer: string, signal: AbortSignal): Promise<string> {
  const address = `${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`;
  const document = discoverySchema.parse(await readJson(address, signal));
  if (document.issuer !== issuer) {
    throw new Error(`${address} is the document of another issuer: ${document.issuer.slice(0, 200)}`);
  }
  return document.jwks_uri;
}

async function readJson(address: string, signal: AbortSignal): Promise<unknown> {
  // What is configured is where the keys are; a redirect could lead anywhere.
  const response = await fetch(address, {
    signal,
    redirect: 'error',
    // The next time is minutes away: a connection that was kept may be dead by then.
    headers: { accept: 'application/json', connection: 'close' },
  });
  if (!response.ok) throw new Error(`${address} answers with ${response.status}`);
  return response.json();
}
