import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import type { Database } from '../../../database/database.ts';

/** What one process says to another when it connects: who it is, which one it means, in which epoch, and how it speaks. */
export interface Introduction {
  readonly from: string;
  readonly to: string;
  readonly epoch: number;
  /** The fingerprint of the messages that it sends and understands. */
  readonly messages: string;
  /** Never the same again. */
  readonly nonce: string;
}

const secretBytes = 32;

/** The secret by which the processes of a deployment know each other. The first that starts makes it. */
export async function readOrMakeReplicaSecret({ prisma }: Database): Promise<Uint8Array> {
  await prisma.replicaSecret.createMany({ data: [{ secret: randomBytes(secretBytes) }], skipDuplicates: true });
  return (await prisma.replicaSecret.findFirstOrThrow()).secret;
}

/** What only one who knows the secret can say, about one connection: the one who opens it, or the one who answers. */
const proofOf = (
  secret: Uint8Array,
  side: 'opens' | 'answers',
  { from, to, epoch, messages, nonce }: Introduction,
): Buffer =>
  createHmac('sha256', secret)
    .update(['fairlead replica', side, from, to, String(epoch), messages, nonce].join('\n'))
    .digest();

const scheme = 'Fairlead-Replica';
const introductionPattern =
  /^Fairlead-Replica ([0-9a-f-]{36}) ([0-9a-f-]{36}) (\d{1,15}) ([\w-]{43}) ([\w-]{22}) ([\w-]{43})$/;

export const introductionOf = (introduction: Omit<Introduction, 'nonce'>): Introduction => ({
  ...introduction,
  nonce: randomBytes(16).toString('base64url'),
});

/** The `Authorization` header that introduces a process. */
export function writeIntroduction(secret: Uint8Array, introduction: Introduction): string {
  const { from, to, epoch, messages, nonce } = introduction;
  return [scheme, from, to, epoch, messages, nonce, proofOf(secret, 'opens', introduction).toString('base64url')].join(
    ' ',
  );
}

/** Who introduces itself; nothing when it does not know the secret. */
export function readIntroduction(secret: Uint8Array, header: string | undefined): Introduction | undefined {
  const [, from, to, epoch, messages, nonce, proof] = introductionPattern.exec(header ?? '') ?? [];
  if (from === undefined || to === undefined || messages === undefined) return undefined;
  if (nonce === undefined || proof === undefined) return undefined;
  const introduction = { from, to, epoch: Number(epoch), messages, nonce };
  return isSame(proofOf(secret, 'opens', introduction), proof) ? introduction : undefined;
}

/** What the one that was meant answers, so that nobody else takes what is meant for it. */
export const answerTo = (secret: Uint8Array, introduction: Introduction): string =>
  proofOf(secret, 'answers', introduction).toString('base64url');

export const isAnswerTo = (secret: Uint8Array, introduction: Introduction, answer: string): boolean =>
  isSame(proofOf(secret, 'answers', introduction), answer);

function isSame(expected: Buffer, given: string): boolean {
  const proof = Buffer.from(given, 'base64url');
  return proof.length === expected.length && timingSafeEqual(proof, expected);
}
