import type { ExecutionArgs, ExecutionResult, OperationTypeNode } from 'graphql';
import type { GraphContext } from '../graph/context.ts';
import { CompiledQueries, type Interpret } from './compiled-queries.ts';
import type { Metrics } from './metrics.ts';
import type { CostMeter } from './plugins/cost.ts';
import type { ErrorPresenter } from './plugins/errors.ts';

/** What is executed: a document that was validated, and who asks. */
export interface OperationArgs extends ExecutionArgs {
  readonly contextValue: GraphContext;
}

interface Parts {
  readonly meter: Pick<CostMeter, 'spend'>;
  readonly presenter: ErrorPresenter;
  readonly metrics: Pick<Metrics, 'operationSeconds'>;
}

/**
 * Carries queries and commands out, whichever way they came: pays for them, executes them, times them and presents
 * their errors.
 */
export class Operations {
  readonly #parts: Parts;
  readonly #compiled = new CompiledQueries();

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  async run(args: OperationArgs, type: OperationTypeNode | 'unknown', interpret: Interpret): Promise<ExecutionResult> {
    const { meter, metrics, presenter } = this.#parts;
    const { id } = args.contextValue.info;
    const spending = meter.spend(args);
    const { cost, refusal } = spending instanceof Promise ? await spending : spending;
    if (refusal !== undefined) return presenter.presentResult(refusal, id);
    const startedAtMs = performance.now();
    const result = presenter.presentResult(await this.#compiled.execute(args, interpret), id);
    const outcome = result.errors === undefined ? 'success' : 'error';
    metrics.operationSeconds.observe({ type, outcome }, (performance.now() - startedAtMs) / 1_000);
    return { ...result, extensions: { ...result.extensions, cost } };
  }
}
