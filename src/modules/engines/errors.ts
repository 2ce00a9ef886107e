import { builder } from '../../graph/builder.ts';
import { UserErrorInterface } from '../../graph/error-types.ts';
import { UserError } from '../../graph/errors.ts';

export class EngineAlreadyExistsError extends UserError {
  override readonly name = 'EngineAlreadyExistsError';
  override readonly code = 'ENGINE_ALREADY_EXISTS';

  constructor() {
    super('The user has an engine of the product already, and can have one. Read it, or destroy it first.', [
      'userExternalId',
    ]);
  }
}

export class QuotaExceededError extends UserError {
  override readonly name = 'QuotaExceededError';
  override readonly code = 'QUOTA_EXCEEDED';
  readonly maxEngines: number;
  readonly engineCount: number;

  constructor(maxEngines: number, engineCount: number) {
    super(
      maxEngines === 0
        ? 'The policy of the product allows no engines.'
        : `The policy of the product allows ${maxEngines} engines, and ${engineCount} exist, whatever their status. Destroy one, or raise maxEngines.`,
      ['productId'],
    );
    this.maxEngines = maxEngines;
    this.engineCount = engineCount;
  }
}

builder.objectType(EngineAlreadyExistsError, {
  name: 'EngineAlreadyExistsError',
  description: 'The user has an engine of the product already.',
  interfaces: [UserErrorInterface],
});

builder.objectType(QuotaExceededError, {
  name: 'QuotaExceededError',
  description: 'As many engines exist as the policy of the product allows.',
  interfaces: [UserErrorInterface],
  fields: (t) => ({
    maxEngines: t.exposeInt('maxEngines', { description: 'How many it allows.' }),
    engineCount: t.exposeInt('engineCount', { description: 'How many exist, whatever their status.' }),
  }),
});
