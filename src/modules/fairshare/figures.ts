import type { Dispatcher } from './dispatcher.ts';
import { nodeFields, noMaximum, poolFields, tenantFields } from './layout.ts';

const { max, inFlight } = poolFields;

interface Running {
  readonly inFlight: number;
}

interface RunningAndWaiting extends Running {
  readonly queued: number;
}

/** What runs and waits now, of one at a time: a snapshot has all of them, and takes as long. */
export class Figures {
  readonly #dispatcher: Dispatcher;

  constructor(dispatcher: Dispatcher) {
    this.#dispatcher = dispatcher;
  }

  /** In all pools together. */
  tenant(id: string): RunningAndWaiting {
    const { cells, directory } = this.#dispatcher.forest;
    const tenant = directory.tenants.get(id);
    if (tenant === undefined) return { inFlight: 0, queued: 0 };
    return { inFlight: cells.int(tenant + inFlight), queued: cells.int(tenant + tenantFields.queued) };
  }

  /** In all pools together. */
  key(id: string): Running {
    const { cells, directory } = this.#dispatcher.forest;
    const key = directory.keys.get(id);
    return { inFlight: key === 0 ? 0 : cells.int(key + inFlight) };
  }

  /** Of what requests name in `caps`. */
  cap(id: string): Running {
    return { inFlight: this.#dispatcher.forest.directory.caps.get(id)?.inFlight ?? 0 };
  }

  pool(name: string): RunningAndWaiting & { readonly capacity: number } {
    const entry = this.#dispatcher.pools.get(name);
    if (entry === undefined) return { inFlight: 0, queued: 0, capacity: 0 };
    const { cells } = this.#dispatcher.forest;
    const { row } = entry.pool;
    const queued = cells.int(entry.tree.root + nodeFields.waiting);
    return { capacity: cells.int(row + max), inFlight: cells.int(row + inFlight), queued };
  }

  /** All pools together; without a ceiling, as many run as the pools have slots. */
  get deployment(): RunningAndWaiting & { readonly ceiling: number | null } {
    const { ceiling } = this.#dispatcher.forest;
    const { queued } = this.#dispatcher;
    return { ceiling: ceiling.max === noMaximum ? null : ceiling.max, inFlight: ceiling.inFlight, queued };
  }
}
