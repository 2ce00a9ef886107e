import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Database } from '../../database/database.ts';
import type { HistorySample, SnapshotFeed, SnapshotKind, SnapshotOf } from '../snapshots/snapshot.ts';
import type { LocalOwner } from './local-owner.ts';
import type { AdmissionOwner } from './owner.ts';
import { Ownership } from './ownership.ts';
import { CommitRelay } from './replicas/commit-relay.ts';
import { ReplicaEndpoint } from './replicas/endpoint.ts';
import { messagesFingerprint } from './replicas/methods.ts';
import { OwnerWatch } from './replicas/owner-watch.ts';
import { RemoteOwner } from './replicas/remote-owner.ts';
import { RemoteSnapshots } from './replicas/remote-snapshots.ts';
import { Term, type TermParts } from './term.ts';

export interface DecidersParts extends TermParts {
  /** By which the processes of the deployment know each other. */
  readonly replicaSecret: Uint8Array;
  /** What this process shows, for those that do not decide. */
  readonly feed: SnapshotFeed;
  /** Where commands are carried out. */
  readonly commits: Pick<Database, 'onCommitted'>;
}

/** Which process decides: this one as long as it holds the lock, or another one, and the way to it. */
export class Deciders {
  readonly #parts: DecidersParts;
  readonly #ownership: Ownership;
  readonly #endpoint: ReplicaEndpoint;
  readonly #remote: RemoteOwner;
  readonly #snapshots: { readonly [Kind in SnapshotKind]: RemoteSnapshots<Kind> };
  readonly #watch: OwnerWatch;
  readonly #relay: CommitRelay;
  #term: Term | undefined;
  #isDraining = false;

  constructor(parts: DecidersParts) {
    this.#parts = parts;
    const { activity, database, instanceId, log, replicaSecret: secret } = parts;
    const onChanged = () => activity.changed();
    this.#ownership = new Ownership({
      url: database.url,
      instanceId,
      log,
      onGained: (epoch) => this.#begin(epoch),
      onLost: () => void this.#endTerm(),
    });
    this.#endpoint = new ReplicaEndpoint({ instanceId, secret, log, onReplicasChanged: onChanged });
    const remote = new RemoteOwner({
      instanceId,
      messages: messagesFingerprint,
      secret,
      log,
      // It may have ended, or another one may decide by now.
      onUnreachable: () => {
        onChanged();
        void this.#ownership.tryNow();
        void this.#watch.read();
      },
      onReached: () => {
        onChanged();
        this.#relay.resume();
        for (const snapshots of Object.values(this.#snapshots)) snapshots.resume();
      },
    });
    this.#remote = remote;
    this.#relay = new CommitRelay({
      ...parts,
      isReached: () => remote.isReached,
      tell: (announced) => remote.committed(announced),
    });
    this.#snapshots = {
      fairshare: new RemoteSnapshots({
        kind: 'fairshare',
        ask: (call, signal) => remote.snapshot(call, signal),
        onChanged,
        log,
      }),
      stats: new RemoteSnapshots({
        kind: 'stats',
        ask: (call, signal) => remote.snapshot(call, signal),
        onChanged,
        log,
      }),
    };
    this.#watch = new OwnerWatch({
      ...parts,
      onOwner: (owner) => {
        remote.follow(owner);
        // Announced as well by one that decides no more.
        if (owner.instanceId !== instanceId) void this.#ownership.tryNow();
      },
    });
  }

  /** Who decides, wherever it is. */
  get owner(): AdmissionOwner {
    return this.local ?? this.#remote;
  }

  /** What decides in this process; nothing while another one does. */
  get local(): LocalOwner | undefined {
    return this.#term?.owner;
  }

  /** The time in which this process decides; nothing while another one does. */
  get term(): Term | undefined {
    return this.#term;
  }

  /** How many processes of the deployment are connected with each other, as this one knows while it decides. */
  get replicas(): number {
    return 1 + this.#endpoint.replicas;
  }

  /** Whether another process decides, and is reached. */
  get isReached(): boolean {
    return this.#remote.isReached;
  }

  /** What the process that decides showed last, while it is another one. */
  newest<Kind extends SnapshotKind>(kind: Kind): SnapshotOf[Kind] | undefined {
    return this.#snapshots[kind].newest;
  }

  /** Fulfilled when the newest is of this moment; nothing while this process decides. */
  refreshed(kind: SnapshotKind): Promise<void> | undefined {
    return this.local === undefined ? this.#snapshots[kind].refresh() : undefined;
  }

  /** What the history keeps of this moment, or nothing when it cannot be asked for; absent while this process decides. */
  sampled(): Promise<HistorySample | undefined> | undefined {
    return this.local === undefined ? this.#remote.sample() : undefined;
  }

  wanted(kind: SnapshotKind, everyMs: number | undefined): void {
    this.#snapshots[kind].want(everyMs);
  }

  /** Fulfilled when this process decides, or knows that another one does. */
  async start(): Promise<void> {
    await this.#ownership.start();
    await this.#watch.read();
  }

  /** Says where the other processes reach this one. */
  publish(url: string): Promise<void> {
    return this.#ownership.publish(url);
  }

  /** Takes a connection of another process. */
  connectReplica(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    this.#endpoint.upgrade(request, socket, head);
  }

  /** Answers what waits, and takes nothing more. Where there is another process, that one decides from now on. */
  async drain(): Promise<void> {
    this.#isDraining = true;
    this.#term?.drain();
    const isAlone = this.#endpoint.replicas === 0;
    await this.#endpoint.stop();
    if (isAlone) return;
    await this.#term?.flush();
    await this.#endTerm();
    await this.#ownership.close();
  }

  async close(): Promise<void> {
    await this.#term?.flush();
    await this.#endTerm();
    await this.#ownership.close();
    // It may have become the one only just now.
    await this.#endTerm();
    this.#watch.close();
    this.#relay.close();
    this.#remote.close();
  }

  async #begin(epoch: number): Promise<void> {
    const { events, feed, log } = this.#parts;
    const onOutdated = (): void => {
      if (this.#term !== term) return;
      log.warn({ epoch }, 'another process decides about admission by now: this one gives up');
      this.#ownership.giveUp();
    };
    const term = new Term(this.#parts, { epoch, onOutdated });
    this.#term = term;
    if (this.#isDraining) term.drain();
    await term.begin();
    if (term.owner !== undefined) this.#endpoint.serve({ epoch, owner: term.owner, feed, events });
  }

  async #endTerm(): Promise<void> {
    const term = this.#term;
    this.#term = undefined;
    try {
      await Promise.all([term?.end(), this.#endpoint.stop()]);
    } catch (error) {
      this.#parts.log.error({ err: error }, 'what admission still had to write could not be ended well');
    }
  }
}
