import { builder } from '../../graph/builder.ts';
import { UserErrorInterface } from '../../graph/error-types.ts';
import { UserError } from '../../graph/errors.ts';

export class ExternalIdTakenError extends UserError {
  override readonly name = 'ExternalIdTakenError';
  override readonly code = 'EXTERNAL_ID_TAKEN';

  constructor(path: readonly string[] = ['externalId']) {
    super('Another user of the tenant has this externalId; they are compared as they are written, with case.', path);
  }
}

builder.objectType(ExternalIdTakenError, {
  name: 'ExternalIdTakenError',
  description: 'Another user of the tenant has the `externalId`.',
  interfaces: [UserErrorInterface],
});
