import type { InputFieldMap } from '@pothos/core';
import { builder } from '../../graph/builder.ts';
import type { InputFieldsBuilder } from '../../graph/commands/definition.ts';
import { enumValues } from '../../graph/enums.ts';
import { CacheStatusEnum } from '../usage/schema.ts';
import { bounds } from './input.ts';

const RequestPriorityEnum = builder.enumType('RequestPriority', {
  description: 'Which of the requests of a tenant come first. Other tenants are not touched by it.',
  values: enumValues({
    LOW: 'After all others of the tenant.',
    NORMAL: 'As most.',
    HIGH: 'Before all others of the tenant.',
  }),
});

/** What a request is, whether it is made or only asked about. */
export const wishFields = (t: InputFieldsBuilder): InputFieldMap => ({
  key: t.string({ description: "The caller's key, as it was presented. Give this or `keyId`." }),
  keyId: t.id({ description: 'The key, which you have verified.' }),
  model: t.string({
    required: true,
    description: 'The name of the model, without regard to case. One that the registry does not have costs nothing.',
  }),
  estimatedInputTokens: t.field({
    type: 'SafeInt',
    required: true,
    description: `Tokens of the input, ${bounds.tokens}.`,
  }),
  estimatedOutputTokens: t.field({
    type: 'SafeInt',
    required: true,
    description: `Tokens that the output may have, ${bounds.tokens}. What is not used comes back.`,
  }),
  userExternalId: t.string({
    description: "The user of the tenant that it is for, as the tenant's own systems call it. Default: the key's own.",
  }),
  deadline: t.field({ type: 'DateTime', description: 'When to give up waiting. Default: as long as queues allow.' }),
  priority: t.field({ type: RequestPriorityEnum, description: 'Which of its tenant come first. Default: NORMAL.' }),
  gatewayId: t.id({
    description: 'The gateway that asks, which you have registered: its leases end when it goes silent.',
  }),
  origin: t.string({ description: "The caller's Origin header, for keys that are bound to origins." }),
  ipAddress: t.string({ description: "The caller's address, for keys that are bound to addresses." }),
});

export const admitFields = (t: InputFieldsBuilder): InputFieldMap => ({
  ...wishFields(t),
  requestId: t.string({
    description:
      'Your id of the request, 1 to 255 characters. The same id gives the same lease as long as it waits or is held; with another input it is REQUEST_ID_REUSED.',
  }),
  sessionId: t.string({ description: 'The session that it is part of, 1 to 255 characters.' }),
  requestType: t.string({ description: 'What is asked of the model, 1 to 255 characters. Default: `chat`.' }),
  leaseSeconds: t.int({
    description: `For how many seconds the slot is held unless it is renewed, ${bounds.leaseSeconds}. Default: 60.`,
  }),
});

const gatewayOfLease = (t: InputFieldsBuilder): InputFieldMap => ({
  gatewayId: t.id({
    description:
      'The gateway that holds it: a lease of another one is not found. Default: whichever of those that share your credential.',
  }),
});

export const renewFields = (t: InputFieldsBuilder): InputFieldMap => ({
  leaseId: t.id({ required: true, description: 'The lease.' }),
  leaseSeconds: t.int({
    description: `For how many seconds from now, ${bounds.leaseSeconds}. Default: as it was asked for last.`,
  }),
  ...gatewayOfLease(t),
});

export const settleFields = (t: InputFieldsBuilder): InputFieldMap => ({
  leaseId: t.id({ required: true, description: 'The lease.' }),
  statusCode: t.int({ description: 'The HTTP status that the caller was answered with, 100 to 599. Default: 200.' }),
  inputTokens: t.field({ type: 'SafeInt', required: true, description: `Tokens of the input, ${bounds.tokens}.` }),
  outputTokens: t.field({ type: 'SafeInt', required: true, description: `Tokens of the output, ${bounds.tokens}.` }),
  images: t.int({ description: `Images that were made, ${bounds.units}. Default: 0.` }),
  audioSeconds: t.float({
    description: `Seconds of audio that were transcribed or spoken, ${bounds.units}. Default: 0.`,
  }),
  characters: t.int({ description: `Characters that were spoken, ${bounds.tokens}. Default: 0.` }),
  ttftMs: t.int({ description: 'Milliseconds from its slot to the first token. Default: not measured.' }),
  totalMs: t.int({ description: 'Milliseconds from its arrival to its end. Default: not measured.' }),
  cacheStatus: t.field({
    type: CacheStatusEnum,
    description:
      "Whether the gateway's cache answered: with HIT, the tokens are those that were saved, and nothing is paid. Default: OFF.",
  }),
  ...gatewayOfLease(t),
});

export const cancelFields = (t: InputFieldsBuilder): InputFieldMap => ({
  leaseId: t.id({ description: 'The lease. Give this or `requestId`.' }),
  requestId: t.string({ description: 'Your id of the request, which waits or holds a slot.' }),
  ...gatewayOfLease(t),
});
