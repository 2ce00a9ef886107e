import type { DocumentNode, ExecutionResult } from 'graphql';
import type { Plugin } from 'graphql-yoga';
import type { GraphContext } from '../../graph/context.ts';
import type { Balance, CostBudget, CostCalculator, CostLimits } from '../../graph/cost.ts';
import { RequestError } from '../../graph/errors.ts';

interface Parts {
  readonly limits: CostLimits;
  readonly budget: CostBudget;
  readonly calculator: CostCalculator;
  readonly onSpent: (cost: number) => void;
}

interface Operation {
  readonly document: DocumentNode;
  readonly operationName?: string | null | undefined;
  readonly variableValues?: unknown;
  readonly contextValue: GraphContext;
}

/** What an operation costs, for `extensions.cost`, and the answer to it when it costs too much. */
export interface Spending {
  readonly cost: object;
  readonly refusal?: ExecutionResult;
}

/** Counts what each operation costs, and refuses those that cost too much. */
export class CostMeter {
  readonly #parts: Parts;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  spend(operation: Operation): Spending | Promise<Spending> {
    const { budget, calculator, limits } = this.#parts;
    const { document, operationName, contextValue } = operation;
    const variables = (operation.variableValues ?? {}) as Record<string, unknown>;
    const requested = calculator.costOf(document, operationName, variables, contextValue);
    const { credentialId } = contextValue.principal;
    const balance = budget.spend(credentialId, requested > limits.maxPerOperation ? 0 : requested);
    return balance instanceof Promise
      ? balance.then((later) => this.#judge(document, requested, later))
      : this.#judge(document, requested, balance);
  }

  #judge(document: DocumentNode, requested: number, balance: Balance): Spending {
    const { calculator, limits, onSpent } = this.#parts;
    const cost = {
      requested,
      maxPerOperation: limits.maxPerOperation,
      remaining: balance.remaining,
      capacity: limits.capacity,
      refillPerSecond: limits.perSecond,
    };
    if (requested > limits.maxPerOperation) {
      const message = `The operation costs ${requested}; at most ${limits.maxPerOperation} are allowed. ${calculator.adviceOf(document)}`;
      return { cost, refusal: refuse(new RequestError('OPERATION_TOO_EXPENSIVE', message, { cost }), cost) };
    }
    if (!balance.allowed) {
      const { retryAfterMs } = balance;
      const seconds = Math.ceil(retryAfterMs / 1_000);
      const error = new RequestError(
        'COST_BUDGET_EXHAUSTED',
        `The operation costs ${requested} and ${balance.remaining} are left; try again in ${retryAfterMs} ms.`,
        { retryAfterMs, http: { status: 429, headers: { 'retry-after': String(seconds) } } },
      );
      return { cost, refusal: refuse(error, cost) };
    }
    onSpent(requested);
    return { cost };
  }
}

/** Refuses subscriptions that cost too much; operations pays for queries and commands. */
export const useCost = (meter: CostMeter): Plugin<GraphContext> => ({
  async onSubscribe({ args, setResultAndStopExecution }) {
    const { refusal } = await meter.spend(args);
    if (refusal !== undefined) setResultAndStopExecution(refusal);
  },
});

const refuse = (error: RequestError, cost: object): ExecutionResult => ({ errors: [error], extensions: { cost } });
