import { builder } from '../../graph/builder.ts';
import { command } from '../../graph/commands/command.ts';
import { enumValues } from '../../graph/enums.ts';
import { NotFoundError } from '../../graph/errors.ts';
import { type Admission, admissionReasons } from './admission.ts';
import { admitEngineRules } from './input.ts';
import { Engine } from './schema.ts';
import type { RateLimit } from './window.ts';

const AdmissionReasonEnum = builder.enumType('EngineAdmissionReason', {
  description: 'Why an engine is not admitted.',
  values: enumValues(admissionReasons),
});

const RateLimitType = builder.objectRef<RateLimit>('EngineRateLimit').implement({
  description: "How far a product's rate limit is used up, by all of its users, on all replicas.",
  fields: (t) => ({
    limit: t.exposeInt('limit', { description: 'How many calls any 60 seconds may have.' }),
    remaining: t.exposeInt('remaining', { description: 'How many calls are left now.' }),
    resetAt: t.expose('resetAt', {
      type: 'DateTime',
      nullable: true,
      description: 'When the whole limit is there again if no call is made; null: it is now, or the limit is 0.',
    }),
    retryAfterMs: t.exposeInt('retryAfterMs', {
      nullable: true,
      description:
        'How many milliseconds until a call is admitted: 0 when one is now; null: never, since the limit is 0.',
    }),
  }),
});

const AdmissionType = builder.objectRef<Admission>('EngineAdmission').implement({
  description: 'Whether the engine of a user may be called now.',
  fields: (t) => ({
    admitted: t.exposeBoolean('admitted', { description: 'Whether it may.' }),
    engine: t.expose('engine', {
      type: Engine,
      nullable: true,
      description: 'The engine; null when it is not admitted.',
    }),
    reason: t.expose('reason', {
      type: AdmissionReasonEnum,
      nullable: true,
      description: 'Why it is not admitted; null when it is.',
    }),
    message: t.exposeString('message', { description: 'The same in words, and what to do.' }),
    rateLimit: t.expose('rateLimit', {
      type: RateLimitType,
      nullable: true,
      description: 'How far the rate limit is used up after this call; null: the product has none.',
    }),
  }),
});

command({
  name: 'admitEngine',
  description:
    'Asks, before a request of a user, whether and where their engine may be called. Every answer about an engine counts against `rateLimitRpm` of the policy; what the limit itself refuses costs nothing. It changes nothing else, and the audit log does not have it.',
  scopes: [['engines:admit']],
  target: { type: 'Product', field: 'productId' },
  input: admitEngineRules,
  fields: (t) => ({
    productId: t.id({ description: 'The product. Default: the one that your key is of.' }),
    userExternalId: t.string({ required: true, description: "The product's own name for the user." }),
  }),
  errors: [NotFoundError],
  run: ({ engineAdmission }, scope, input) => engineAdmission.admit(scope, input),
  payload: (t) => ({ admission: t.expose('admission', { type: AdmissionType, description: 'The answer.' }) }),
});
