import type { Dispatcher } from './dispatcher.ts';
import { noMaximum } from './state.ts';

interface Running {
  readonly inFlight: number;
}

interface RunningAndWaiting extends Running {
  readonly queued: number;
}

const figuresOf = ({ inFlight, queued }: RunningAndWaiting = { inFlight: 0, queued: 0 }): RunningAndWaiting => ({
  inFlight,
  queued,
});

/** What runs and waits now, of one at a time: a snapshot has all of them, and takes as long. */
export class Figures {
  readonly #dispatcher: Dispatcher;

  constructor(dispatcher: Dispatcher) {
    this.#dispatcher = dispatcher;
  }

  /** In all pools together. */
  tenant(id: string): RunningAndWaiting {
    return figuresOf(this.#dispatcher.directory.tenants.get(id));
  }

  /** In all pools together. */
  key(id: string): Running {
    return { inFlight: this.#dispatcher.directory.keys.get(id)?.inFlight ?? 0 };
  }

  /** Of what requests name in `caps`. */
  cap(id: string): Running {
    return { inFlight: this.#dispatcher.directory.caps.get(id)?.inFlight ?? 0 };
  }

  pool(name: string): RunningAndWaiting & { readonly capacity: number } {
    const entry = this.#dispatcher.pools.get(name);
    if (entry === undefined) return { inFlight: 0, queued: 0, capacity: 0 };
    const { pool, tree } = entry;
    return { capacity: pool.max, inFlight: pool.inFlight, queued: tree.root.waiting };
  }

  /** All pools together; without a ceiling, as many run as the pools have slots. */
  get deployment(): RunningAndWaiting & { readonly ceiling: number | null } {
    const { ceiling, queued } = this.#dispatcher;
    return { ceiling: ceiling.max === noMaximum ? null : ceiling.max, inFlight: ceiling.inFlight, queued };
  }
}
