import { builder } from '../../graph/builder.ts';
import { UserErrorInterface } from '../../graph/error-types.ts';
import { UserError } from '../../graph/errors.ts';

export class DefaultGroupProtectedError extends UserError {
  override readonly name = 'DefaultGroupProtectedError';
  override readonly code = 'DEFAULT_GROUP_PROTECTED';

  constructor(done: 'renamed' | 'deleted') {
    super(`The group \`default\` cannot be ${done}: tenants without a group of their own are in it.`, [
      'fairshareGroupId',
    ]);
  }
}

builder.objectType(DefaultGroupProtectedError, {
  name: 'DefaultGroupProtectedError',
  description: 'The group `default` always exists under its name; only its weight can be changed.',
  interfaces: [UserErrorInterface],
});
