import { createHmac, createSecretKey, type KeyObject } from 'node:crypto';
import type { NumberedKey } from '../config/keys.ts';

/** How a hash was made: `sha256` without a pepper, or the versions of the peppers in their order, as in `1.3`. */
export type HashScheme = string;

const noPepper: HashScheme = 'sha256';

export interface HashedSecret {
  readonly hash: Uint8Array<ArrayBuffer>;
  readonly scheme: HashScheme;
}

/**
 * Makes what is stored of a secret: its SHA-256, under the pepper if there is one. A hash can be put under a newer pepper
 * without knowing the secret: the newer one is applied to it. So the pepper can be changed while everything runs.
 */
export class SecretHasher {
  /** As objects: Node would make one of the bytes for every hash, which takes five times as long as the hash. */
  readonly #peppers: ReadonlyMap<number, KeyObject>;
  readonly #schemes: readonly HashScheme[];

  /** @param peppers secrets of the deployment, without which a copy of the database is of no use */
  constructor(peppers: readonly NumberedKey[]) {
    this.#peppers = new Map(peppers.map(({ version, key }) => [version, createSecretKey(key)]));
    const versions = [...this.#peppers.keys()].sort((a, b) => a - b);
    // Peppers are applied in the order of their versions, and any of them may have been passed over.
    let chains: number[][] = [[]];
    for (const version of versions) chains = [...chains, ...chains.map((chain) => [...chain, version])];
    this.#schemes = chains.map(schemeOf);
  }

  get versions(): readonly number[] {
    return [...this.#peppers.keys()];
  }

  /** Every scheme that hashes can have been made by with these peppers. */
  get schemes(): readonly HashScheme[] {
    return this.#schemes;
  }

  /** What a new secret is stored as. @param sha256 of the secret @param version of the pepper; 0: none */
  hash(sha256: Buffer, version: number): HashedSecret {
    const scheme = schemeOf(version === 0 ? [] : [version]);
    return { hash: Uint8Array.from(this.#apply(sha256, scheme)), scheme };
  }

  /** The same secret under a newer pepper. */
  wrap({ hash, scheme }: { hash: Uint8Array; scheme: HashScheme }, version: number): HashedSecret {
    return {
      hash: Uint8Array.from(this.#pepper(Buffer.from(hash), version)),
      scheme: schemeOf([...versionsOf(scheme), version]),
    };
  }

  /** Everything that a secret may be stored as, by scheme. */
  candidates(sha256: Buffer): ReadonlyMap<HashScheme, Buffer> {
    const made = new Map<HashScheme, Buffer>([[noPepper, sha256]]);
    // A chain comes after the one that it prolongs, so each costs one more step.
    for (const scheme of this.#schemes) {
      const versions = versionsOf(scheme);
      const last = versions.at(-1);
      const before = made.get(schemeOf(versions.slice(0, -1)));
      if (last !== undefined && before !== undefined) made.set(scheme, this.#pepper(before, last));
    }
    return made;
  }

  #apply(sha256: Buffer, scheme: HashScheme): Buffer {
    return versionsOf(scheme).reduce((hash, version) => this.#pepper(hash, version), sha256);
  }

  #pepper(hash: Buffer, version: number): Buffer {
    const key = this.#peppers.get(version);
    if (key === undefined) throw new Error(`There is no pepper of version ${version}.`);
    return createHmac('sha256', key).update(hash).digest();
  }
}

const schemeOf = (versions: readonly number[]): HashScheme => (versions.length === 0 ? noPepper : versions.join('.'));

const versionsOf = (scheme: HashScheme): number[] => (scheme === noPepper ? [] : scheme.split('.').map(Number));

/** The version of the pepper that was applied last; 0: none. */
export const pepperOf = (scheme: HashScheme): number => versionsOf(scheme).at(-1) ?? 0;
