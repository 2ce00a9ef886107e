import { z } from 'zod';
import { ConfigError } from './error.ts';

/** What secrets begin with, by kind, and by environment where the kind has one. */
export const defaultKeyPrefixes = {
  ADMIN: 'fl_admin_',
  TENANT: 'fl_tenant_',
  APP_LIVE: 'fl_app_live_',
  APP_TEST: 'fl_app_test_',
  PUBLISHABLE_LIVE: 'fl_pub_live_',
  PUBLISHABLE_TEST: 'fl_pub_test_',
  PRODUCT: 'fl_product_',
  USER: 'fl_user_',
  ENGINE: 'fl_engine_',
  GATEWAY: 'fl_gateway_',
} as const;

export type PrefixName = keyof typeof defaultKeyPrefixes;
export type KeyPrefixes = Readonly<Record<PrefixName, string>>;

export const isPrefixName = (name: string): name is PrefixName => Object.hasOwn(defaultKeyPrefixes, name);

/** A key of 32 bytes, and the number that is stored with what it was used for. */
export interface NumberedKey {
  readonly version: number;
  readonly key: Buffer;
}

/** Values that are separated by commas. */
export const list = z
  .string()
  .default('')
  .transform((value) =>
    value
      .split(',')
      .map((item) => item.trim())
      .filter((item) => item !== ''),
  );

/** Numbered keys, as in `1:<64 hexadecimal digits>,2:<…>`, so that they can be replaced one after the other. */
export const numberedKeys = (maximum: number) =>
  list
    .pipe(
      z
        .array(
          z
            .string()
            .regex(
              /^[1-9]\d{0,8}:[0-9a-f]{64}$/i,
              'must be a list of <number>:<64 hexadecimal digits>, separated by commas',
            ),
        )
        .max(maximum, `must have at most ${maximum} keys`),
    )
    .transform((items) =>
      items.map((item) => {
        const [version, key = ''] = item.split(':');
        return { version: Number(version), key: Buffer.from(key, 'hex') };
      }),
    )
    .refine(
      (keys) => new Set(keys.map(({ version }) => version)).size === keys.length,
      'must number each key differently',
    );

export const keyPrefixes = list
  .pipe(
    z.array(
      z.string().regex(/^[A-Z_]+=[A-Za-z][A-Za-z0-9_-]{0,30}[_-]$/, {
        error:
          'must be a list of <KIND>=<prefix>, such as USER=sk_: a prefix has 2 to 32 letters, digits, - or _, begins with a letter and ends with - or _',
      }),
    ),
  )
  .transform((items, context): KeyPrefixes => {
    const prefixes: Record<PrefixName, string> = { ...defaultKeyPrefixes };
    for (const item of items) {
      const [name = '', prefix = ''] = item.split('=');
      if (isPrefixName(name)) prefixes[name] = prefix;
      else {
        const known = Object.keys(defaultKeyPrefixes).join(', ');
        context.addIssue({ code: 'custom', message: `has no kind ${name}; there are ${known}` });
      }
    }
    if (new Set(Object.values(prefixes)).size < Object.keys(prefixes).length) {
      context.addIssue({ code: 'custom', message: 'must give every kind a prefix of its own' });
    }
    return prefixes;
  });

const seconds = z.coerce.number().int().min(0).max(31_536_000).optional();

/** The bounds of overlaps, under our names and under those that September's engines have for them. */
export const overlapVariables = {
  FAIRLEAD_KEY_ROTATION_MIN_OVERLAP_SECONDS: seconds,
  FAIRLEAD_KEY_ROTATION_MAX_OVERLAP_SECONDS: seconds,
  BAP_KEY_ROTATION_MIN_OVERLAP_SECONDS: seconds,
  BAP_KEY_ROTATION_MAX_OVERLAP_SECONDS: seconds,
};

const overlapDefaults = { MIN: 0, MAX: 300 } as const;

/** @throws {ConfigError} when two names of one bound disagree, or the shortest is longer than the longest */
export function readOverlap(env: Readonly<Partial<Record<keyof typeof overlapVariables, number | undefined>>>): {
  readonly min: number;
  readonly max: number;
} {
  const read = (bound: 'MIN' | 'MAX'): number => {
    const own = `FAIRLEAD_KEY_ROTATION_${bound}_OVERLAP_SECONDS` as const;
    const other = `BAP_KEY_ROTATION_${bound}_OVERLAP_SECONDS` as const;
    const [ownValue, otherValue] = [env[own], env[other]];
    if (ownValue !== undefined && otherValue !== undefined && ownValue !== otherValue) {
      throw new ConfigError(`${own} and ${other} say different things; leave one of the two out.`);
    }
    return ownValue ?? otherValue ?? overlapDefaults[bound];
  };
  const [min, max] = [read('MIN'), read('MAX')];
  if (min > max) {
    throw new ConfigError(
      `The shortest overlap of key rotations (${min} s) is longer than the longest (${max} s): check FAIRLEAD_KEY_ROTATION_MIN_OVERLAP_SECONDS and FAIRLEAD_KEY_ROTATION_MAX_OVERLAP_SECONDS, or BAP_KEY_ROTATION_MIN_OVERLAP_SECONDS and BAP_KEY_ROTATION_MAX_OVERLAP_SECONDS.`,
    );
  }
  return { min, max };
}
