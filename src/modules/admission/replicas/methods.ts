import { hash } from 'node:crypto';
import { z } from 'zod';
import { canonicalJson } from '../../../database/canonical-json.ts';
import { Prisma } from '../../../database/generated/client.ts';
import type { EventBus } from '../../../live/event-bus.ts';
import type { SnapshotFeed } from '../../snapshots/snapshot.ts';
import type { AdmissionOwner } from '../owner.ts';
import * as messages from './messages.ts';
import { described } from './schemas.ts';
import { historySample, snapshot, snapshotCall } from './snapshot-messages.ts';
import { toWire } from './wire.ts';

/** Where the processes of a deployment connect to the one that decides. */
export const ownerPath = '/internal/admission';

/** What answers. */
export interface Answerer {
  readonly owner: AdmissionOwner;
  readonly feed: SnapshotFeed;
  readonly events: Pick<EventBus, 'deliverAhead'>;
}

interface Method<Argument, Answer> {
  readonly argument: z.ZodType<Argument>;
  readonly answer: z.ZodType<Answer>;
  readonly run: (answerer: Answerer, argument: Argument, signal: AbortSignal) => Promise<Answer> | Answer;
}

/** Something that can be asked of the one that decides: what is given, what is answered, and how. */
const method = <Argument, Answer>(
  argument: z.ZodType<Argument>,
  answer: z.ZodType<Answer>,
  run: Method<Argument, Answer>['run'],
): Method<Argument, Answer> => ({ argument, answer, run });

const nothing = z.null();

export const ownerMethods = {
  admit: method(messages.admitCall, messages.admitAnswer, ({ owner }, call, signal) => owner.admit(call, signal)),
  renew: method(messages.renewCall, messages.renewAnswer, ({ owner }, call) => owner.renew(call)),
  settle: method(messages.settleCall, messages.settleAnswer, ({ owner }, call) => owner.settle(call)),
  cancel: method(messages.cancelCall, messages.cancelAnswer, ({ owner }, call) => owner.cancel(call)),
  heard: method(messages.heldByGateway, nothing, async ({ owner }, heartbeat) => {
    await owner.heard(heartbeat);
    return null;
  }),
  explain: method(messages.explainCall, messages.explainAnswer, ({ owner }, call) => owner.explain(call)),
  effectiveLimits: method(messages.limitTarget, messages.effectiveLimitsAnswer, ({ owner }, target) =>
    owner.effectiveLimits(target),
  ),
  nearestLimits: method(messages.nearestLimitsCall, messages.limits, ({ owner }, call) => owner.nearestLimits(call)),
  queuedRequest: method(
    messages.queuedRequestCall,
    messages.queuedRequest.nullable(),
    ({ owner }, { caller, requestId }) => owner.queuedRequest(caller, requestId),
  ),
  leasesOf: method(messages.leasesOfCall, messages.leases, ({ owner }, { caller, ids }) => owner.leasesOf(caller, ids)),
  leaseList: method(messages.leaseListCall, messages.leaseListAnswer, ({ owner }, call) => owner.leaseList(call)),
  figures: method(nothing, messages.liveFigures, ({ owner }) => owner.figures()),
  refused: method(messages.refusedCall, nothing, async ({ owner }, call) => {
    await owner.refused(call);
    return null;
  }),
  /** It is known before this is answered, and before whatever is asked after it is looked at. */
  committed: method(messages.announcements, nothing, ({ events }, announced) => {
    events.deliverAhead(announced);
    return null;
  }),
  sample: method(nothing, historySample, ({ feed }) => feed.sample()),
  snapshot: method(snapshotCall, snapshot, ({ feed }, call, signal) => feed.next(call, signal)),
};

type Methods = typeof ownerMethods;

export type MethodName = keyof Methods;
export type ArgumentOf<Name extends MethodName> = z.output<Methods[Name]['argument']>;
export type AnswerOf<Name extends MethodName> = z.output<Methods[Name]['answer']>;

export const isMethodName = (name: string): name is MethodName => Object.hasOwn(ownerMethods, name);

/** Who was asked by which number, and with what. */
export const callRule = z.tuple([z.number(), z.string(), z.unknown()]);

export const answerRule = z.union([
  z.tuple([z.number(), z.literal('answer'), z.unknown()]),
  z.tuple([z.number(), z.literal('failure'), z.string()]),
]);

/** The same for those that understand each other: made of everything that messages may have in them, and how it is written. */
export function fingerprintOf(
  methods: Readonly<Record<string, { readonly argument: z.ZodType; readonly answer: z.ZodType }>>,
): string {
  const all = Object.entries(methods).map(([name, { argument, answer }]) => [
    name,
    described(argument),
    described(answer),
  ]);
  const example = toWire([1n, new Date(0), new Prisma.Decimal(1)]);
  return hash('sha256', canonicalJson([all, described(callRule), described(answerRule), example]), 'base64url');
}

export const messagesFingerprint = fingerprintOf(ownerMethods);
