import { builder } from '../../graph/builder.ts';
import { UserErrorInterface } from '../../graph/error-types.ts';
import { UserError } from '../../graph/errors.ts';

export class ProductSlugExistsError extends UserError {
  override readonly name = 'ProductSlugExistsError';
  override readonly code = 'PRODUCT_SLUG_EXISTS';

  constructor(slug: string) {
    super(`Another product has the slug ${slug}: slugs are unique in the whole deployment. Choose another one.`, [
      'slug',
    ]);
  }
}

export class ProductHasEnginesError extends UserError {
  override readonly name = 'ProductHasEnginesError';
  override readonly code = 'PRODUCT_HAS_ENGINES';
  readonly engineCount: number;

  constructor(engineCount: number) {
    super(`The product has engines (${engineCount}). Destroy them first, or give drainEngines: true.`, [
      'drainEngines',
    ]);
    this.engineCount = engineCount;
  }
}

builder.objectType(ProductSlugExistsError, {
  name: 'ProductSlugExistsError',
  description: 'The slug is in use. It is free again when the product that has it is deleted.',
  interfaces: [UserErrorInterface],
});

builder.objectType(ProductHasEnginesError, {
  name: 'ProductHasEnginesError',
  description: 'The product has engines, and `drainEngines` was not given.',
  interfaces: [UserErrorInterface],
  fields: (t) => ({
    engineCount: t.exposeInt('engineCount', { description: 'How many, whatever their status.' }),
  }),
});
