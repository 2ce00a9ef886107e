import { isPromise } from '@graphql-tools/utils';
import type { ExecutionArgs, ExecutionResult, OperationTypeNode } from 'graphql';
import type { PromiseOrValue } from 'graphql/jsutils/PromiseOrValue.js';
import type { GraphContext } from '../graph/context.ts';
import { CompiledQueries, type Interpret } from './compiled-queries.ts';
import type { Metrics } from './metrics.ts';
import type { CostMeter, Spending } from './plugins/cost.ts';
import type { ErrorPresenter } from './plugins/errors.ts';

/** What is executed: a document that was validated, and who asks. */
export interface OperationArgs extends ExecutionArgs {
  readonly contextValue: GraphContext;
}

type OperationType = OperationTypeNode | 'unknown';

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

  /** In the same turn when nothing has to be waited for. */
  run(args: OperationArgs, type: OperationType, interpret: Interpret): PromiseOrValue<ExecutionResult> {
    const spending = this.#parts.meter.spend(args);
    return spending instanceof Promise
      ? spending.then((later) => this.#execute(args, later, type, interpret))
      : this.#execute(args, spending, type, interpret);
  }

  #execute(
    args: OperationArgs,
    { cost, refusal }: Spending,
    type: OperationType,
    interpret: Interpret,
  ): PromiseOrValue<ExecutionResult> {
    const { id } = args.contextValue.info;
    if (refusal !== undefined) return this.#parts.presenter.presentResult(refusal, id);
    const startedAtMs = performance.now();
    const finish = (executed: ExecutionResult): ExecutionResult => {
      const { metrics, presenter } = this.#parts;
      const result = presenter.presentResult(executed, id);
      const outcome = result.errors === undefined ? 'success' : 'error';
      metrics.operationSeconds.observe({ type, outcome }, (performance.now() - startedAtMs) / 1_000);
      return { ...result, extensions: { ...result.extensions, cost } };
    };
    const executing = this.#compiled.execute(args, interpret);
    return isPromise(executing) ? executing.then(finish) : finish(executing);
  }
}
