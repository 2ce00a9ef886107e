import { createErrorProxy } from '@pothos/plugin-errors';
import { builder } from './builder.ts';
import { enumValues } from './enums.ts';
import {
  HasChildrenError,
  IdempotencyKeyReusedError,
  InvalidStateError,
  NameTakenError,
  NotFoundError,
  type RowCount,
  StaleRevisionError,
  type UserError,
  userErrorCodes,
  ValidationError,
  type ValidationIssue,
} from './errors.ts';

const UserErrorCodeEnum = builder.enumType('UserErrorCode', {
  description: 'Why a command was refused.',
  values: enumValues(userErrorCodes),
});

export const UserErrorInterface = builder.interfaceRef<UserError>('UserError').implement({
  description: 'A failure that callers expect and handle. Every result of a command has it among its members.',
  // Classes and types have the same names.
  resolveType: (error) => error.name,
  fields: (t) => ({
    code: t.field({
      type: UserErrorCodeEnum,
      description: 'The reason, for programs.',
      resolve: (error) => error.code,
    }),
    message: t.exposeString('message', { description: 'The reason, for people: which field, which rule, what to do.' }),
    path: t.stringList({
      description: 'Where in the input the reason lies, from the outside in; empty when it lies elsewhere.',
      resolve: (error) => [...error.path],
    }),
    retryable: t.exposeBoolean('retryable', {
      description: 'Whether the same command may succeed later without a change.',
    }),
    retryAfterMs: t.exposeInt('retryAfterMs', {
      nullable: true,
      description: 'How many milliseconds to wait before that; null when it is not retryable or not known.',
    }),
  }),
});

/**
 * An error as the value of a field of type `UserError` or of its own. A bare one would be taken as the failure of the field; this is
 * how the errors plugin gives those of commands.
 */
export const errorValue = <Failure extends UserError>(error: Failure): Failure =>
  // The proxy is the error in all but its prototype; the plugin does not say so in its types.
  createErrorProxy(error, error.constructor, { wrapped: true }) as Failure;

const ValidationIssueType = builder.objectRef<ValidationIssue>('ValidationIssue').implement({
  description: 'One rule that an input breaks.',
  fields: (t) => ({
    rule: t.exposeString('rule', { description: 'The rule, in upper snake case: OUT_OF_RANGE, UNKNOWN_TIME_ZONE, …' }),
    message: t.exposeString('message', { description: 'The rule in words, with its bounds.' }),
    path: t.stringList({ description: 'The field, from the outside in.', resolve: (issue) => [...issue.path] }),
  }),
});

builder.objectType(ValidationError, {
  name: 'ValidationError',
  description: 'The input breaks rules; nothing was changed.',
  interfaces: [UserErrorInterface],
  fields: (t) => ({
    issues: t.field({
      type: [ValidationIssueType],
      description: 'Every rule that it breaks.',
      resolve: (error) => [...error.issues],
    }),
  }),
});

builder.objectType(NotFoundError, {
  name: 'NotFoundError',
  description: 'There is no such row, or none that the caller may see.',
  interfaces: [UserErrorInterface],
});

builder.objectType(NameTakenError, {
  name: 'NameTakenError',
  description: 'The name is in use.',
  interfaces: [UserErrorInterface],
});

builder.objectType(StaleRevisionError, {
  name: 'StaleRevisionError',
  description: 'The row was changed since the revision that `expectedRevision` names.',
  interfaces: [UserErrorInterface],
  fields: (t) => ({
    currentRevision: t.exposeInt('currentRevision', { description: 'The revision that the row has now.' }),
  }),
});

builder.objectType(IdempotencyKeyReusedError, {
  name: 'IdempotencyKeyReusedError',
  description: 'The idempotency key belongs to another command or another input of the last 24 hours.',
  interfaces: [UserErrorInterface],
});

builder.objectType(InvalidStateError, {
  name: 'InvalidStateError',
  description: 'The row is in a state that does not allow the command.',
  interfaces: [UserErrorInterface],
  fields: (t) => ({
    currentState: t.exposeString('currentState', { description: 'The state that it is in.' }),
  }),
});

export const RowCountType = builder.objectRef<RowCount>('RowCount').implement({
  description: 'How many rows of a type.',
  fields: (t) => ({
    type: t.exposeString('type', { description: "The type's name in this graph." }),
    count: t.exposeInt('count', { description: 'How many.' }),
  }),
});

builder.objectType(HasChildrenError, {
  name: 'HasChildrenError',
  description: 'The row has live children, and `cascade` was not given.',
  interfaces: [UserErrorInterface],
  fields: (t) => ({
    children: t.field({
      type: [RowCountType],
      description: 'What it has.',
      resolve: (error) => [...error.children],
    }),
  }),
});
