import { complexityFromQuery } from '@pothos/plugin-complexity';
import { type DocumentNode, type GraphQLSchema, Kind, TypeInfo, visit, visitWithTypeInfo } from 'graphql';
import type { Clock, GraphContext } from './context.ts';

export interface CostLimits {
  /** The most that one operation may cost. */
  readonly maxPerOperation: number;
  /** What a credential can spend at once. */
  readonly capacity: number;
  /** How fast that refills. */
  readonly perSecond: number;
}

/** What a credential has left. */
export interface Balance {
  readonly allowed: boolean;
  readonly remaining: number;
  /** How long until as much as was asked is there; 0 when it is. */
  readonly retryAfterMs: number;
}

/**
 * What callers may spend. An interface, since the accounts of several replicas can be kept in one place; this process
 * is the owner of its own.
 */
export interface CostBudget {
  /** Takes the cost from the credential's account, or nothing at all when there is not enough. */
  spend(credentialId: string, cost: number): Balance | Promise<Balance>;
}

interface Account {
  balance: number;
  /** When that was, in ms. */
  at: number;
}

/** Accounts in the memory of this process: token buckets, full at first. */
export class LocalCostBudget implements CostBudget {
  readonly #limits: CostLimits;
  readonly #clock: Clock;
  readonly #accounts = new Map<string, Account>();
  #accountsBeforeSweep = accountsMin;

  constructor(limits: CostLimits, clock: Clock) {
    this.#limits = limits;
    this.#clock = clock;
  }

  spend(credentialId: string, cost: number): Balance {
    const { capacity, perSecond } = this.#limits;
    const now = this.#clock.now().getTime();
    const account = this.#accounts.get(credentialId) ?? this.#open(credentialId, now);
    const refilled = (Math.max(0, now - account.at) * perSecond) / 1_000;
    const balance = Math.min(capacity, account.balance + refilled);
    const allowed = balance >= cost;
    const remaining = allowed ? balance - cost : balance;
    account.balance = remaining;
    account.at = now;
    return {
      allowed,
      remaining: Math.floor(remaining),
      retryAfterMs: allowed ? 0 : Math.ceil(((cost - balance) * 1_000) / perSecond),
    };
  }

  #open(credentialId: string, now: number): Account {
    if (this.#accounts.size >= this.#accountsBeforeSweep) this.#sweep(now);
    const account = { balance: this.#limits.capacity, at: now };
    this.#accounts.set(credentialId, account);
    return account;
  }

  /** Forgets the accounts that have refilled: a new one is the same. */
  #sweep(now: number): void {
    const { capacity, perSecond } = this.#limits;
    for (const [id, { balance, at }] of this.#accounts) {
      if (balance + ((now - at) * perSecond) / 1_000 >= capacity) this.#accounts.delete(id);
    }
    this.#accountsBeforeSweep = Math.max(accountsMin, 2 * this.#accounts.size);
  }
}

/** Accounts that are kept without looking for those that are full again. */
const accountsMin = 10_000;

/** Remembered costs of one document: it has as many as there are sizes of pages that callers ask of it. */
const rememberedMax = 100;

/**
 * The option of a field whose cost depends on what there is, and not on its arguments alone.
 *
 * @param advice how to ask it for less
 */
export const costsByWhatThereIs = (advice: string) => ({ extensions: { costAdvice: advice } }) as const;

/** What is known of a document. */
interface Known {
  readonly variables: readonly string[];
  readonly costs: Map<string, number>;
  /** Of a field whose cost depends on what there is; nothing when it has none. */
  readonly advice: string | undefined;
}

/**
 * Computes what an operation costs from what its fields declare. The cost of a document depends on few of its
 * variables, so it is computed once for each of their values; where it depends on what there is, each time.
 */
export class CostCalculator {
  readonly #schema: GraphQLSchema;
  readonly #documents = new WeakMap<DocumentNode, Known>();

  constructor(schema: GraphQLSchema) {
    this.#schema = schema;
  }

  /** @param context whose fields say what there is; without it, they take it that there is nothing */
  costOf(
    document: DocumentNode,
    operationName: string | null | undefined,
    variables: Record<string, unknown>,
    context?: GraphContext,
  ): number {
    const known = this.#known(document);
    if (known.advice !== undefined) return this.#compute(document, operationName, variables, context);
    const name = operationName ?? '';
    const key =
      known.variables.length === 0
        ? name
        : `${name} ${JSON.stringify(known.variables.map((variable) => sizeOf(variables[variable])))}`;
    const remembered = known.costs.get(key);
    if (remembered !== undefined) return remembered;
    const complexity = this.#compute(document, operationName, variables, context);
    if (known.costs.size >= rememberedMax) known.costs.clear();
    known.costs.set(key, complexity);
    return complexity;
  }

  /** How to ask for less. */
  adviceOf(document: DocumentNode): string {
    return this.#known(document).advice ?? 'Ask for fewer rows or fields.';
  }

  #known(document: DocumentNode): Known {
    const before = this.#documents.get(document);
    if (before !== undefined) return before;
    const known = { variables: costVariables(document), costs: new Map(), advice: costAdvice(this.#schema, document) };
    this.#documents.set(document, known);
    return known;
  }

  #compute(
    document: DocumentNode,
    operationName: string | null | undefined,
    variables: Record<string, unknown>,
    context: GraphContext | undefined,
  ): number {
    const { complexity } = complexityFromQuery(withoutTypeNames(onlyOperation(document, operationName)), {
      schema: this.#schema,
      variables,
      ...(context === undefined ? {} : { ctx: context }),
    });
    return Math.ceil(complexity);
  }
}

/** What a field of it says that costs by what there is. */
function costAdvice(schema: GraphQLSchema, document: DocumentNode): string | undefined {
  let found: string | undefined;
  const types = new TypeInfo(schema);
  visit(
    document,
    visitWithTypeInfo(types, {
      Field: () => {
        const advice = types.getFieldDef()?.extensions.costAdvice;
        if (typeof advice === 'string') found = advice;
      },
    }),
  );
  return found;
}

/** The arguments that multiply a cost. */
const costArguments: ReadonlySet<string> = new Set(['first', 'last', 'ids']);

/** The variables on which a document's cost can depend: those of pages, and those that leave fields out. */
function costVariables(document: DocumentNode): readonly string[] {
  const names = new Set<string>();
  const note = (node: { readonly name: { readonly value: string } }): void => {
    names.add(node.name.value);
  };
  visit(document, {
    Argument: (argument) => {
      if (costArguments.has(argument.name.value)) visit(argument, { Variable: note });
      return undefined;
    },
    Directive: (directive) => {
      visit(directive, { Variable: note });
    },
  });
  return [...names];
}

/** Of a list, the cost depends on its length alone. A variable that is not given takes its default, which null does not. */
function sizeOf(value: unknown): unknown {
  if (value === undefined) return 'absent';
  return Array.isArray(value) ? { length: value.length } : { value };
}

/** Clients add `__typename` to every object of an operation; it is at hand and costs nothing. */
const withoutTypeNames = (document: DocumentNode): DocumentNode =>
  visit(document, { Field: (field) => (field.name.value === '__typename' ? null : undefined) });

/** A document can hold several operations, of which one is carried out. */
function onlyOperation(document: DocumentNode, operationName: string | null | undefined): DocumentNode {
  if (!operationName) return document;
  return {
    ...document,
    definitions: document.definitions.filter(
      (definition) => definition.kind !== Kind.OPERATION_DEFINITION || definition.name?.value === operationName,
    ),
  };
}
