import type { DocumentNode, ExecutionResult } from 'graphql';
import type { Plugin } from 'graphql-yoga';
import type { GraphContext } from '../../graph/context.ts';
import type { Balance, CostBudget, CostCalculator, CostLimits } from '../../graph/cost.ts';
import { RequestError } from '../../graph/errors.ts';

interface Options {
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

/** Counts what each operation costs, refuses those that cost too much, and says so in `extensions.cost`. */
export function useCost({ limits, budget, calculator, onSpent }: Options): Plugin<GraphContext> {
  const report = (requested: number, remaining: number) => ({
    requested,
    maxPerOperation: limits.maxPerOperation,
    remaining,
    capacity: limits.capacity,
    refillPerSecond: limits.perSecond,
  });

  const spend = async (operation: Operation): Promise<{ refusal?: ExecutionResult; cost: object }> => {
    const variables = (operation.variableValues ?? {}) as Record<string, unknown>;
    const requested = calculator.costOf(operation.document, operation.operationName, variables);
    const { credentialId } = operation.contextValue.principal;
    const tooExpensive = requested > limits.maxPerOperation;
    const balance: Balance = await budget.spend(credentialId, tooExpensive ? 0 : requested);
    const cost = report(requested, balance.remaining);
    if (tooExpensive) {
      const message = `The operation costs ${requested}; at most ${limits.maxPerOperation} are allowed. Ask for fewer rows or fields.`;
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
  };

  return {
    async onExecute({ args, setResultAndStopExecution }) {
      const { refusal, cost } = await spend(args);
      if (refusal !== undefined) {
        setResultAndStopExecution(refusal);
        return;
      }
      return {
        onExecuteDone: ({ result }) => {
          if ('extensions' in result) result.extensions = { ...result.extensions, cost };
          else Object.assign(result, { extensions: { cost } });
        },
      };
    },
    async onSubscribe({ args, setResultAndStopExecution }) {
      const { refusal } = await spend(args);
      if (refusal !== undefined) setResultAndStopExecution(refusal);
    },
  };
}

const refuse = (error: RequestError, cost: object): ExecutionResult => ({ errors: [error], extensions: { cost } });
