import type { Announcement } from '../../../database/database.ts';
import type { EventBus } from '../../../live/event-bus.ts';
import type { SnapshotCall, SnapshotFeed } from '../../snapshots/snapshot.ts';
import type {
  AdmissionOwner,
  AdmitCall,
  Caller,
  CancelCall,
  ExplainCall,
  HeldByGateway,
  LeaseListCall,
  LimitTarget,
  NearestLimitsCall,
  RefusedCall,
  RenewCall,
  SettleCall,
} from '../owner.ts';

/** Where the processes of a deployment connect to the one that decides. Whoever speaks otherwise connects elsewhere. */
export const ownerPath = '/internal/admission/v1';

/** What answers. */
export interface Answerer {
  readonly owner: AdmissionOwner;
  readonly feed: SnapshotFeed;
  readonly events: Pick<EventBus, 'deliverAhead'>;
}

type Method = (answerer: Answerer, argument: never, signal: AbortSignal) => Promise<unknown>;

/** What can be asked of the one that decides, each with one argument. */
export const ownerMethods = {
  admit: ({ owner }, call: AdmitCall, signal) => owner.admit(call, signal),
  renew: ({ owner }, call: RenewCall) => owner.renew(call),
  settle: ({ owner }, call: SettleCall) => owner.settle(call),
  cancel: ({ owner }, call: CancelCall) => owner.cancel(call),
  heard: ({ owner }, heartbeat: HeldByGateway) => owner.heard(heartbeat),
  explain: ({ owner }, call: ExplainCall) => owner.explain(call),
  effectiveLimits: ({ owner }, target: LimitTarget) => owner.effectiveLimits(target),
  nearestLimits: ({ owner }, call: NearestLimitsCall) => owner.nearestLimits(call),
  queuedRequest: ({ owner }, { caller, requestId }: { readonly caller: Caller; readonly requestId: string }) =>
    owner.queuedRequest(caller, requestId),
  leasesOf: ({ owner }, { caller, ids }: { readonly caller: Caller; readonly ids: readonly string[] }) =>
    owner.leasesOf(caller, ids),
  leaseList: ({ owner }, call: LeaseListCall) => owner.leaseList(call),
  figures: ({ owner }, _nothing: null) => owner.figures(),
  refused: ({ owner }, call: RefusedCall) => owner.refused(call),
  /** It is known before this is answered, and before whatever is asked after it is looked at. */
  committed: async ({ events }, announced: readonly Announcement[]) => events.deliverAhead(announced),
  sample: async ({ feed }, _nothing: null) => feed.sample(),
  snapshot: ({ feed }, call: SnapshotCall, signal) => feed.next(call, signal),
} as const satisfies Readonly<Record<string, Method>>;

type Methods = typeof ownerMethods;

export type MethodName = keyof Methods;
export type ArgumentOf<Name extends MethodName> = Parameters<Methods[Name]>[1];
export type AnswerOf<Name extends MethodName> = Awaited<ReturnType<Methods[Name]>>;

export const isMethodName = (name: string): name is MethodName => Object.hasOwn(ownerMethods, name);
