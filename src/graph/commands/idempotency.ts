import { hash } from 'node:crypto';
import superjson, { type SuperJSONResult } from 'superjson';
import { z } from 'zod';
import type { Sealer } from '../../access/sealing.ts';
import { canonicalJson } from '../../database/canonical-json.ts';
import type { Transaction } from '../../database/database.ts';
import { type IdempotencyRecord, Prisma } from '../../database/generated/client.ts';
import {
  IdempotencyKeyReusedError,
  type KeptError,
  keptError,
  revivedError,
  type UserError,
  type UserErrorClass,
} from '../errors.ts';
import { OneTimeSecret } from '../one-time-secret.ts';

/** How long an answer can be had again. */
const keptForMs = 24 * 60 * 60 * 1000;

/** How long the secrets of an answer can be had again. */
const secretsKeptForMs = 10 * 60 * 1000;

interface Attempt {
  readonly credentialId: string;
  readonly key: string;
  readonly command: string;
  /** What was asked, without the key. */
  readonly input: unknown;
  readonly errors: readonly UserErrorClass[];
  readonly sealer: Sealer;
  readonly now: Date;
}

const answers = new superjson();
answers.registerCustom<Prisma.Decimal, string>(
  {
    isApplicable: (value): value is Prisma.Decimal => Prisma.Decimal.isDecimal(value),
    serialize: (value) => value.toString(),
    deserialize: (text) => new Prisma.Decimal(text),
  },
  'Decimal',
);

/** The secrets of the answer that is being written or read. It is used without a pause in between, by one answer at a time. */
let secretsAtHand: (string | null)[] = [];

answers.registerCustom<OneTimeSecret, number>(
  {
    isApplicable: (value): value is OneTimeSecret => value instanceof OneTimeSecret,
    serialize: ({ value }) => secretsAtHand.push(value) - 1,
    deserialize: (index) => new OneTimeSecret(secretsAtHand[index] ?? null),
  },
  'OneTimeSecret',
);

/** An error that an earlier attempt was answered with: it is on record already. */
export class ReplayedError extends Error {
  readonly original: UserError;

  constructor(original: UserError) {
    super(original.message);
    this.original = original;
  }
}

/** One attempt at a command under an idempotency key. */
export class Idempotency<Payload> {
  readonly #attempt: Attempt;
  readonly #inputHash: Uint8Array<ArrayBuffer>;

  constructor(attempt: Attempt) {
    this.#attempt = attempt;
    this.#inputHash = Uint8Array.from(hash('sha256', canonicalJson([attempt.command, attempt.input]), 'buffer'));
  }

  /**
   * Takes the key for this transaction. A second attempt at the same time waits here until the first has ended.
   *
   * @returns the payload of an earlier attempt, or nothing when this is the first
   * @throws {IdempotencyKeyReusedError} when the key belongs to something else
   * @throws {ReplayedError} when the earlier attempt was refused
   */
  async claim({ prisma }: Transaction): Promise<Payload | undefined> {
    if (await this.#take(prisma, null)) return undefined;
    const { credentialId, key } = this.#attempt;
    const earlier = await prisma.idempotencyRecord.findUniqueOrThrow({
      where: { credentialId_key: { credentialId, key } },
    });
    if (Buffer.compare(earlier.inputHash, this.#inputHash) !== 0) throw new IdempotencyKeyReusedError();
    // `keepPayload` or `keepError` wrote it in the transaction that took the key.
    return this.#read(earlier.answer as unknown as SuperJSONResult, this.#secretsOf(earlier));
  }

  /** Stores the payload in the transaction that claimed the key. */
  async keepPayload({ prisma }: Transaction, payload: Payload): Promise<void> {
    const { credentialId, key } = this.#attempt;
    const { answer, secrets } = stored({ payload });
    await prisma.idempotencyRecord.update({
      where: { credentialId_key: { credentialId, key } },
      data: { answer, ...(secrets.length === 0 ? {} : this.#sealed(secrets)) },
      select: { key: true },
    });
  }

  /** Secrets are kept apart from the answer: encrypted, for this credential and this key alone, and not for long. */
  #sealed(secrets: readonly (string | null)[]) {
    const { now, sealer } = this.#attempt;
    return {
      sealedSecrets: sealer.seal(JSON.stringify(secrets), this.#owner),
      sealedUntil: new Date(now.getTime() + secretsKeptForMs),
    };
  }

  #secretsOf({ sealedSecrets, sealedUntil }: IdempotencyRecord): (string | null)[] {
    const { now, sealer } = this.#attempt;
    if (sealedSecrets === null || sealedUntil === null || sealedUntil <= now) return [];
    const opened = sealer.open(sealedSecrets, this.#owner);
    return opened === undefined ? [] : z.array(z.string().nullable()).parse(JSON.parse(opened));
  }

  /** What the sealed secrets are bound to. */
  get #owner(): string {
    const { credentialId, key } = this.#attempt;
    return canonicalJson(['idempotency_record', credentialId, key]);
  }

  /** Stores a refusal. The claim was undone with the refused transaction, so another attempt may have been quicker. */
  async keepError({ prisma }: Transaction, error: UserError): Promise<void> {
    await this.#take(prisma, stored({ error: keptError(error) }).answer);
  }

  /** Whether the key was free, or free again after its time. */
  async #take(prisma: Transaction['prisma'], answer: Prisma.InputJsonObject | null): Promise<boolean> {
    const { credentialId, key, command } = this.#attempt;
    const now = this.#attempt.now.toISOString();
    const expiresAt = new Date(this.#attempt.now.getTime() + keptForMs).toISOString();
    const taken = await prisma.$executeRaw`
      INSERT INTO idempotency_record AS record (credential_id, key, command, input_hash, answer, created_at, expires_at)
      VALUES (${credentialId}, ${key}, ${command}, ${this.#inputHash}, ${answer}::jsonb, ${now}::timestamptz, ${expiresAt}::timestamptz)
      ON CONFLICT (credential_id, key) DO UPDATE
        SET command = excluded.command, input_hash = excluded.input_hash, answer = excluded.answer,
            created_at = excluded.created_at, expires_at = excluded.expires_at,
            sealed_secrets = NULL, sealed_until = NULL
        WHERE record.expires_at <= ${now}::timestamptz
    `;
    return taken === 1;
  }

  #read(stored: SuperJSONResult, secrets: (string | null)[]): Payload {
    secretsAtHand = secrets;
    const answer = answers.deserialize<{ payload: Payload } | { error: KeptError }>(stored);
    secretsAtHand = [];
    if ('payload' in answer) return answer.payload;
    throw new ReplayedError(revivedError(answer.error, this.#attempt.errors));
  }
}

function stored(answer: object): { answer: Prisma.InputJsonObject; secrets: (string | null)[] } {
  secretsAtHand = [];
  // superjson gives plain JSON; Prisma's type for that asks for an index signature.
  const json = answers.serialize(answer) as unknown as Prisma.InputJsonObject;
  const secrets = secretsAtHand;
  secretsAtHand = [];
  return { answer: json, secrets };
}
