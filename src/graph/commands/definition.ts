import type { InputFieldMap, ObjectFieldsShape } from '@pothos/core';
import type { z } from 'zod';
import type { Principal } from '../../access/principal.ts';
import type { RequiredScopes } from '../../access/scopes.ts';
import type { Transaction } from '../../database/database.ts';
import type { OutboxEvent } from '../../live/outbox.ts';
import type { JsonObject } from '../audit.ts';
import type { GraphSchemaTypes } from '../builder.ts';
import type { ClientConnection, Services } from '../context.ts';
import type { UserErrorClass } from '../errors.ts';
import type { NodeType } from '../ids.ts';

/** Who runs a command, and when. */
interface ActingScope {
  readonly principal: Principal;
  readonly now: Date;
}

/** The same of a command that is part of running, and over which connection it came. */
export interface RuntimeScope extends ActingScope {
  readonly connection?: ClientConnection | undefined;
}

/** The same, and in which transaction. */
export interface CommandScope extends ActingScope {
  readonly transaction: Transaction;
}

/** What a command did: its answer, and what the audit log has to know of it. */
export interface Change<Payload> {
  readonly payload: Payload;
  /** Absent: nothing was changed, so there is nothing to record. */
  readonly changed?: ChangedRow;
  /** Rows that changed with it and that the audit log tells of by themselves. */
  readonly alsoChanged?: readonly ChangedRow[];
  /** What else the rest of the system has to hear, besides that these rows changed. */
  readonly events?: readonly OutboxEvent[];
}

/** One row that a command changed. */
export interface ChangedRow {
  /** Absent: no single row, and nothing is announced but `events`. */
  readonly target?: { readonly type: NodeType; readonly id: string };
  /** The tenant whose audit chain the row joins; absent: the deployment's. */
  readonly tenantId?: string;
  /** The whole row in the graph's words, as it was and as it is; what is equal in both is left out of the log. */
  readonly before?: JsonObject;
  readonly after?: JsonObject;
}

export type InputFieldsBuilder = PothosSchemaTypes.InputFieldBuilder<GraphSchemaTypes, 'InputObject'>;

/** What is written down, once, for every mutation. */
export interface MutationDefinition<Input, Payload extends object> {
  /** Verb and noun; also the action's name in the audit log. */
  readonly name: string;
  readonly description: string;
  /** What the caller needs: any one of the lists, all of its scopes. */
  readonly scopes: RequiredScopes;
  /** The fields of the input in the graph. */
  readonly fields: (t: InputFieldsBuilder) => InputFieldMap;
  /** The rules of the same fields. What it makes of them is what `run` gets. */
  readonly input: z.ZodObject<z.ZodRawShape> & z.ZodType<Input>;
  /** The errors that it can answer with, besides those of every command. */
  readonly errors?: readonly UserErrorClass[];
  /** What it costs, by its input, when that says how much it does. Default: as much as any command. */
  readonly cost?: (input: Readonly<Record<string, unknown>>) => number;
  /** The fields of the answer. */
  readonly payload: ObjectFieldsShape<GraphSchemaTypes, Payload>;
}

/** A command that changes configuration; `idempotencyKey` is added to the fields of its input. */
export interface CommandDefinition<Input, Payload extends object> extends MutationDefinition<Input, Payload> {
  /** What a refused attempt was aimed at, as far as the input says it. */
  readonly target?: { readonly type: NodeType; readonly field?: keyof Input & string };
  readonly run: (services: Services, scope: CommandScope, input: Input) => Promise<Change<Payload>>;
}

/** A command that is part of running: see `runtime-command.ts`. */
export interface RuntimeCommandDefinition<Input, Payload extends object> extends MutationDefinition<Input, Payload> {
  readonly run: (services: Services, scope: RuntimeScope, input: Input) => Promise<Payload> | Payload;
}

/** A command that changed nothing. */
export const unchanged = <Payload>(payload: Payload): Change<Payload> => ({ payload });
