import type { Logger } from 'pino';
import type { Announcement } from '../../../database/database.ts';
import { RequestError } from '../../../graph/errors.ts';
import type { HistorySample, SnapshotCall, SnapshotKind, SnapshotOf } from '../../snapshots/snapshot.ts';
import { unavailable } from '../answers.ts';
import type {
  AdmissionOwner,
  AdmitAnswer,
  AdmitCall,
  Caller,
  CancelAnswer,
  CancelCall,
  EffectiveLimitsAnswer,
  ExplainAnswer,
  ExplainCall,
  HeldByGateway,
  LeaseList,
  LeaseListCall,
  LeaseView,
  LimitTarget,
  LiveFigures,
  NearestLimitsCall,
  QueuedRequestView,
  RefusedCall,
  RenewAnswer,
  RenewCall,
  SettleAnswer,
  SettleCall,
  Unavailable,
} from '../owner.ts';
import type { LimitView } from '../refusals.ts';
import type { ArgumentOf, MethodName } from './methods.ts';
import { type OwnerAddress, OwnerConnection, UnreachableError } from './owner-connection.ts';

interface Parts {
  readonly instanceId: string;
  /** The fingerprint of the messages that this process sends and understands. */
  readonly messages: string;
  readonly secret: Uint8Array;
  readonly log: Logger;
  /** Called when the one that decides was not reached, or is gone. */
  readonly onUnreachable: () => void;
  /** Called when it is reached, after it was not. */
  readonly onReached: () => void;
}

const notReached = unavailable('Another server decides, and is not reached at the moment. Try again.');

/** It is tried again by itself, since its heartbeats and snapshots are wanted also when nobody asks. */
const reconnectAfterMs = [50, 100, 250, 500, 1_000] as const;

/** A connection that lasts for less is tried again later each time, as one that is not made at all. */
const steadyAfterMs = 5_000;

/** Asks the process that decides, wherever it is, over one connection. */
export class RemoteOwner implements AdmissionOwner {
  readonly #parts: Parts;
  #address: OwnerAddress | undefined;
  #connection: OwnerConnection | undefined;
  #attempts = 0;
  #isReached = false;
  #reachedAt = 0;
  #retry: NodeJS.Timeout | undefined;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /** Asks this one from now on; nothing: nobody. */
  follow(address: OwnerAddress | undefined): void {
    const before = this.#address;
    this.#address = address;
    if (before?.epoch === address?.epoch && before?.address === address?.address) return;
    this.#attempts = 0;
    clearTimeout(this.#retry);
    const connection = this.#connection;
    this.#connection = undefined;
    this.#isReached = false;
    connection?.close();
    this.#connect();
  }

  close(): void {
    this.follow(undefined);
  }

  admit(call: AdmitCall, signal: AbortSignal | undefined): Promise<AdmitAnswer> {
    return orUnavailable(this.#ask('admit', call, signal));
  }

  renew(call: RenewCall): Promise<RenewAnswer> {
    return orUnavailable(this.#ask('renew', call));
  }

  settle(call: SettleCall): Promise<SettleAnswer> {
    return orUnavailable(this.#ask('settle', call));
  }

  cancel(call: CancelCall): Promise<CancelAnswer> {
    return orUnavailable(this.#ask('cancel', call));
  }

  explain(call: ExplainCall): Promise<ExplainAnswer> {
    return orUnavailable(this.#ask('explain', call));
  }

  effectiveLimits(target: LimitTarget): Promise<EffectiveLimitsAnswer> {
    return orUnavailable(this.#ask('effectiveLimits', target));
  }

  /** What is not heard of is told to whoever decides next, with the next heartbeat. */
  async heard(heartbeat: HeldByGateway): Promise<void> {
    try {
      await this.#ask('heard', heartbeat);
    } catch (error) {
      if (!(error instanceof UnreachableError)) throw error;
    }
  }

  nearestLimits(call: NearestLimitsCall): Promise<readonly LimitView[]> {
    return orNotReady(this.#ask('nearestLimits', call));
  }

  queuedRequest(caller: Caller, requestId: string): Promise<QueuedRequestView | null> {
    return orNotReady(this.#ask('queuedRequest', { caller, requestId }));
  }

  leasesOf(caller: Caller, ids: readonly string[]): Promise<readonly LeaseView[]> {
    return orNotReady(this.#ask('leasesOf', { caller, ids }));
  }

  leaseList(call: LeaseListCall): Promise<LeaseList> {
    return orNotReady(this.#ask('leaseList', call));
  }

  figures(): Promise<LiveFigures> {
    return orNotReady(this.#ask('figures', null));
  }

  /** Of one that nobody is told of, the statistics know nothing. */
  async refused(call: RefusedCall): Promise<void> {
    try {
      await this.#ask('refused', call);
    } catch (error) {
      if (!(error instanceof UnreachableError)) throw error;
    }
  }

  /** Fulfilled when it knows of what this process has committed. @throws {UnreachableError} */
  async committed(announced: readonly Announcement[]): Promise<void> {
    await this.#ask('committed', announced);
  }

  /** What the history keeps of this moment; nothing when it is not reached. */
  async sample(): Promise<HistorySample | undefined> {
    try {
      return await this.#ask('sample', null);
    } catch (error) {
      if (error instanceof UnreachableError) return undefined;
      throw error;
    }
  }

  /** The next snapshot. @throws {UnreachableError} */
  async snapshot<Kind extends SnapshotKind>(call: SnapshotCall<Kind>, signal?: AbortSignal) {
    // As it was asked for.
    return (await this.#ask('snapshot', call, signal)) as SnapshotOf[Kind];
  }

  /** Whether the one that decides is another one, and is reached. */
  get isReached(): boolean {
    return this.#isReached;
  }

  async #ask<Name extends MethodName>(name: Name, argument: ArgumentOf<Name>, signal?: AbortSignal) {
    // It may not be open yet. Where there is none, whoever asks is not to have it tried sooner.
    const connection = this.#connection;
    if (connection === undefined) throw new UnreachableError('Nobody who decides is reached.');
    return connection.ask(name, argument, signal);
  }

  #connect(): void {
    if (this.#address === undefined) return;
    const { instanceId, address, epoch } = this.#address;
    if (address === null || instanceId === this.#parts.instanceId) return;
    const connection = new OwnerConnection(
      { instanceId, address, epoch },
      { ...this.#parts, onEnd: ({ speaksOtherwise }) => this.#ended(connection, speaksOtherwise) },
    );
    this.#connection = connection;
    connection.opened.then(
      () => {
        if (this.#connection !== connection) return;
        this.#reachedAt = performance.now();
        this.#isReached = true;
        this.#parts.onReached();
      },
      () => undefined,
    );
  }

  #ended(connection: OwnerConnection, speaksOtherwise: boolean): void {
    if (this.#connection !== connection) return;
    this.#connection = undefined;
    if (this.#isReached && performance.now() - this.#reachedAt >= steadyAfterMs) this.#attempts = 0;
    this.#isReached = false;
    if (speaksOtherwise) {
      // It is the same as long as it decides.
      this.#parts.log.warn(
        { owner: this.#address?.instanceId },
        'the server that decides about admission is of another version, and its messages are not understood: until both are of the same, this one answers requests for admission with NOT_READY',
      );
    } else {
      const delayMs = reconnectAfterMs[Math.min(this.#attempts, reconnectAfterMs.length - 1)];
      this.#attempts += 1;
      this.#retry = setTimeout(() => this.#connect(), delayMs).unref();
    }
    this.#parts.onUnreachable();
  }
}

async function orUnavailable<Answer>(asked: Promise<Answer>): Promise<Answer | Unavailable> {
  try {
    return await asked;
  } catch (error) {
    if (error instanceof UnreachableError) return notReached;
    throw error;
  }
}

/** For whoever reads. */
async function orNotReady<Answer>(asked: Promise<Answer>): Promise<Answer> {
  try {
    return await asked;
  } catch (error) {
    if (!(error instanceof UnreachableError)) throw error;
    throw new RequestError('NOT_READY', notReached.message, { retryable: true, retryAfterMs: notReached.retryAfterMs });
  }
}
