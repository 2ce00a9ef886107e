import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Principal } from '../../access/principal.ts';
import type { Connection } from '../../graph/connections.ts';
import { InvalidStateError } from '../../graph/errors.ts';
import { isGiven } from '../../graph/given.ts';
import { decodeId, encodeId, IdProblem } from '../../graph/ids.ts';
import type { GatewayHeartbeats } from '../gateways/heartbeats.ts';
import type { UsageRecorder } from '../keys/usage.ts';
import { callerOf, type PresentedKey, presentedKey, raise } from './asking.ts';
import { followChanges } from './changes.ts';
import { Deciders, type DecidersParts } from './deciders.ts';
import { AdmissionRefusedError } from './errors.ts';
import { Explanations } from './explanations.ts';
import type { AdmitRequest, CancelRequest, RenewLease, SettleRequest } from './input.ts';
import { type LeaseListRequest, readLeaseList } from './lease-connection.ts';
import type { AdmissionOwner, Cancellation, LeaseFilter, LeaseView, LiveFigures, QueuedRequestView } from './owner.ts';
import type { Deciding, Elsewhere } from './picture.ts';
import { refusalFor } from './refusals.ts';

declare module '../../graph/context.ts' {
  interface Services {
    admission: AdmissionService;
  }
}

interface Parts extends DecidersParts {
  readonly keyUsage: UsageRecorder;
  readonly heartbeats: GatewayHeartbeats;
}

const forgetEveryMs = 600_000;
const forgetGoneEveryMs = 10_000;

/** The UUID of a lease; nothing when a gateway names what is none. */
function leaseIdOf(id: string): string[] {
  try {
    return [decodeId('Lease', id)];
  } catch (error) {
    if (error instanceof IdProblem) return [];
    throw error;
  }
}

/** Admits requests, and hears what became of them: the way to the one process that decides. */
export class AdmissionService {
  /** Shows limits, and decisions that are not made. */
  readonly explanations: Explanations;
  readonly #parts: Parts;
  readonly #deciders: Deciders;
  readonly #changes: ReturnType<typeof followChanges>;
  readonly #stopListening: readonly (() => void)[];
  #forgetting: readonly NodeJS.Timeout[] = [];

  constructor(parts: Parts) {
    this.#parts = parts;
    const { events, directory, heartbeats, log } = parts;
    const deciders = new Deciders(parts);
    this.#deciders = deciders;
    this.explanations = new Explanations({ ...parts, decider: () => deciders.owner });
    this.#changes = followChanges({ events, directory, owner: () => deciders.local, log });
    this.#stopListening = [
      this.#changes.stop,
      heartbeats.onHeartbeat(({ gatewayId, at, leaseIds }) => {
        deciders.owner
          .heard({ gatewayId, at: at.getTime(), leaseIds: leaseIds.flatMap(leaseIdOf) })
          .catch((error: unknown) => {
            log.warn({ err: error }, 'leases that a heartbeat named could not be renewed');
          });
      }),
    ];
  }

  /** Fulfilled when this process decides, or knows that another one does. */
  async start(): Promise<void> {
    this.#forgetting = [
      setInterval(() => this.#deciders.local?.review.forgetIdle(), forgetEveryMs).unref(),
      setInterval(() => void this.forgetGone(), forgetGoneEveryMs).unref(),
    ];
    await this.#deciders.start();
  }

  /** Says where the other processes reach this one. */
  publish(url: string): Promise<void> {
    return this.#deciders.publish(url);
  }

  /** Takes a connection of another process. */
  connectReplica(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    this.#deciders.connectReplica(request, socket, head);
  }

  /** Answers what waits, and takes nothing more; what runs can still be settled, by whoever decides then. */
  drain(): Promise<void> {
    return this.#deciders.drain();
  }

  async close(): Promise<void> {
    await this.drain();
    for (const turn of this.#forgetting) clearInterval(turn);
    for (const stop of this.#stopListening) stop();
    await this.#deciders.close();
  }

  /** Writes what was counted, and what could not be written before. */
  async flush(): Promise<void> {
    await this.#deciders.term?.flush();
  }

  /** Forgets some of the counters of owners that were deleted. */
  async forgetGone(): Promise<void> {
    await this.#deciders.term?.forgetGone();
  }

  /** Fulfilled when all changes that were committed before act. */
  async refreshed(): Promise<void> {
    await Promise.all([this.#deciders.term?.catalog.refreshed(), this.#changes.refreshed()]);
  }

  /**
   * @throws {AdmissionRefusedError} naming the limit, if one is the reason
   * @throws {NotFoundError} when the key, the user or the gateway is none that the caller may name
   * @throws {AdmissionUnavailableError} when nobody can decide at the moment
   */
  async admit(principal: Principal, input: AdmitRequest, signal: AbortSignal | undefined): Promise<LeaseView> {
    const { key, keyId, origin, ipAddress, ...wanted } = input;
    const used = isGiven(key) ? await this.#acceptedKey(principal, key) : undefined;
    if (used !== undefined && isGiven(key)) this.#parts.keyUsage.note(used.record, used.at, key);
    // A gateway that gives the id has verified the key. Where it is used from is looked at if it is said.
    const isPlaced = isGiven(key) || isGiven(origin) || isGiven(ipAddress);
    const answer = await this.#decider.admit(
      {
        caller: callerOf(principal),
        keyId: used?.record.key.id ?? keyId ?? '',
        place: isPlaced ? { origin: origin ?? null, ipAddress: ipAddress ?? null } : null,
        model: wanted.model,
        estimatedInputTokens: wanted.estimatedInputTokens,
        estimatedOutputTokens: wanted.estimatedOutputTokens,
        userExternalId: wanted.userExternalId ?? null,
        deadline: wanted.deadline?.getTime() ?? null,
        priority: wanted.priority,
        gatewayId: wanted.gatewayId ?? null,
        requestId: wanted.requestId ?? null,
        sessionId: wanted.sessionId ?? null,
        requestType: wanted.requestType,
        leaseSeconds: wanted.leaseSeconds,
      },
      signal,
    );
    if (answer.outcome === 'REFUSED') {
      const { refusal } = answer;
      throw new AdmissionRefusedError(refusal, refusal.reason === 'REQUEST_ID_REUSED' ? ['requestId'] : []);
    }
    if (answer.outcome !== 'ADMITTED') return raise(answer);
    const { lease } = answer;
    if (isGiven(key) && lease.admission === 'QUEUED') await this.#lookAgain(principal, key, lease);
    return lease;
  }

  /** A secret that was revoked or replaced while its request waited opens nothing any more. */
  async #lookAgain(principal: Principal, secret: string, { id }: LeaseView): Promise<void> {
    try {
      await this.#acceptedKey(principal, secret);
    } catch (error) {
      await this.#decider.cancel({ caller: callerOf(principal), gatewayId: null, leaseId: id, requestId: null });
      throw error;
    }
  }

  /** Gives back what was granted to somebody who is gone, and can be found by nobody. */
  async abandon(principal: Principal, leases: readonly LeaseView[]): Promise<void> {
    const caller = callerOf(principal);
    const lost = leases.filter(({ id, requestId }) => requestId === encodeId('Lease', id));
    await Promise.all(
      lost.map(({ id }) => this.#decider.cancel({ caller, gatewayId: null, leaseId: id, requestId: null })),
    );
  }

  /** @throws {NotFoundError} when the caller holds no such lease */
  async renew(principal: Principal, { leaseId, leaseSeconds, gatewayId }: RenewLease): Promise<LeaseView> {
    const answer = await this.#decider.renew({
      caller: callerOf(principal),
      gatewayId: gatewayId ?? null,
      leaseId,
      leaseSeconds: leaseSeconds ?? null,
    });
    return answer.outcome === 'RENEWED' ? answer.lease : raise(answer);
  }

  /** @throws {NotFoundError} when the caller was given no such lease */
  async settle(principal: Principal, { ttftMs, totalMs, gatewayId, ...figures }: SettleRequest) {
    const answer = await this.#decider.settle({
      caller: callerOf(principal),
      gatewayId: gatewayId ?? null,
      ...figures,
      ttftMs: ttftMs ?? null,
      totalMs: totalMs ?? null,
    });
    return answer.outcome === 'SETTLED' ? answer : raise(answer);
  }

  /**
   * @throws {NotFoundError} when the caller has no such lease, and nothing waits under that request id
   * @throws {InvalidStateError} when its usage was recorded already
   */
  async cancel(principal: Principal, { leaseId, requestId, gatewayId }: CancelRequest): Promise<Cancellation> {
    const answer = await this.#decider.cancel({
      caller: callerOf(principal),
      gatewayId: gatewayId ?? null,
      leaseId: leaseId ?? null,
      requestId: requestId ?? null,
    });
    if (answer.outcome === 'ENDED') {
      throw new InvalidStateError('The request has ended, and its usage was recorded.', answer.settlement, ['leaseId']);
    }
    return answer.outcome === 'CANCELLED' ? answer.cancellation : raise(answer);
  }

  /** Where a request stands that the caller asked for and that waits; null when none does. */
  queuedRequest(principal: Principal, requestId: string): Promise<QueuedRequestView | null> {
    return this.#decider.queuedRequest(callerOf(principal), requestId);
  }

  /** Of these leases, those that the caller sees. */
  leases(principal: Principal, ids: readonly string[]): Promise<readonly LeaseView[]> {
    return this.#decider.leasesOf(callerOf(principal), ids);
  }

  /** The leases that are held and that the caller sees. @throws {RequestError} naming the argument that breaks a rule */
  leaseList(principal: Principal, filter: LeaseFilter, request: LeaseListRequest): Promise<Connection<LeaseView>> {
    return readLeaseList(this.#decider, callerOf(principal), filter, request);
  }

  figures(): Promise<LiveFigures> {
    return this.#decider.figures();
  }

  /** What this process decides with; nothing while another one decides. */
  get deciding(): Deciding | undefined {
    const { local, term } = this.#deciders;
    if (local === undefined || term === undefined) return undefined;
    return { slots: local.slots, holding: local.holding, catalog: term.catalog.state };
  }

  /** Which process decides, and what the others are shown by it. */
  get elsewhere(): Elsewhere {
    return this.#deciders;
  }

  /** Who decides: this process, or another one, which is asked. */
  get #decider(): AdmissionOwner {
    return this.#deciders.owner;
  }

  /** The key that a secret opens now, and when it did. */
  async #acceptedKey(principal: Principal, secret: string): Promise<Pick<PresentedKey, 'record' | 'at'>> {
    const presented = await presentedKey(this.#parts, principal, secret);
    if (presented === 'MALFORMED') throw new AdmissionRefusedError(refusalFor('KEY_MALFORMED'), ['key']);
    const { record, refusal, at } = presented;
    if (refusal !== undefined) {
      const { tenant } = record;
      await this.#decider.refused({ tenant: tenant && { id: tenant.id, name: tenant.name }, reason: refusal });
      throw new AdmissionRefusedError(refusalFor(refusal), ['key']);
    }
    return { record, at };
  }
}
