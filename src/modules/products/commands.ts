import type { ObjectFieldsShape } from '@pothos/core';
import type { GraphSchemaTypes } from '../../graph/builder.ts';
import { command } from '../../graph/commands/command.ts';
import { InvalidStateError, NotFoundError, StaleRevisionError } from '../../graph/errors.ts';
import { encodeId } from '../../graph/ids.ts';
import { OneTimeSecretType } from '../../graph/one-time-secret.ts';
import { PrivilegeEscalationError } from '../keys/errors.ts';
import { ApiKey } from '../keys/schema.ts';
import { LimitsInput } from '../limits/schema.ts';
import { ownerTenantDescription } from '../tenants/schema.ts';
import type { ProductRow } from './entity.ts';
import { ProductHasEnginesError, ProductSlugExistsError } from './errors.ts';
import {
  deleteProductRules,
  productPolicyRules,
  productStatusRules,
  registerProductRules,
  revertProductPolicyRules,
  updateProductRules,
} from './input.ts';
import type { Policy } from './policy.ts';
import { ProductPolicyInput, ProductPolicyType } from './policy-schema.ts';
import { Product } from './schema.ts';

type Fields = PothosSchemaTypes.InputFieldBuilder<GraphSchemaTypes, 'InputObject'>;

const target = { type: 'Product', field: 'productId' } as const;
const scopes = [['products:write']] as const;
const errorsOfChange = [NotFoundError, StaleRevisionError, InvalidStateError];

const currentProduct: ObjectFieldsShape<GraphSchemaTypes, { readonly product: ProductRow }> = (t) => ({
  product: t.expose('product', { type: Product, description: 'The product as it is now.' }),
});

const reference = (t: Fields) => ({
  productId: t.id({ required: true, description: 'The product.' }),
  expectedRevision: t.int({
    description: 'The revision that you expect the product to have; at any other one nothing is changed.',
  }),
});

command({
  name: 'registerProduct',
  description:
    'Registers an application on the platform, with a platform key that can do what you can of the scope template `platform`. It is active at once.',
  scopes: [['products:register']],
  target: { type: 'Product' },
  input: registerProductRules,
  fields: (t) => ({
    tenantId: t.id({ description: ownerTenantDescription }),
    slug: t.string({
      required: true,
      description:
        'Its name in URLs and logs: 3 to 63 letters a to z, digits and single hyphens between them, in lower case, to which it is turned. Unique in the deployment; it cannot be changed.',
    }),
    displayName: t.string({ required: true, description: 'Its name for people; trimmed, 1 to 255 characters.' }),
    policy: t.field({ type: ProductPolicyInput, description: 'What it may use. Default: everything is unlimited.' }),
    limits: t.field({
      type: LimitsInput,
      description: 'How much the requests of all its keys may use together. Default: everything inherits.',
    }),
    engineVersion: t.string({
      description: 'The same as `policy.engineVersion`: the version that engines should run.',
    }),
  }),
  errors: [ProductSlugExistsError, NotFoundError, InvalidStateError, PrivilegeEscalationError],
  run: ({ products }, scope, input) => products.register(scope, input),
  payload: (t) => ({
    product: t.expose('product', { type: Product, description: 'The new product.' }),
    key: t.expose('key', {
      type: ApiKey,
      description: 'Its platform key. Further ones are made with `createKey`; it is replaced with `rotateKey`.',
    }),
    secret: t.expose('secret', {
      type: OneTimeSecretType,
      nullable: true,
      description: 'The secret of the platform key, shown this once.',
    }),
  }),
});

command({
  name: 'updateProduct',
  description: 'Changes what is said of a product, and its limits: an omitted field stays as it is.',
  scopes,
  target,
  input: updateProductRules,
  fields: (t) => ({
    ...reference(t),
    displayName: t.string({ description: 'Its name for people; trimmed, 1 to 255 characters.' }),
    limits: t.field({ type: LimitsInput, description: 'The limits to set; those that are left out stay.' }),
  }),
  errors: errorsOfChange,
  run: ({ products }, scope, input) => products.update(scope, input),
  payload: currentProduct,
});

command({
  name: 'suspendProduct',
  description:
    'Stops admitting and registering engines of a product until it is resumed; engines that exist stay. Suspending a suspended one changes nothing.',
  scopes,
  target,
  input: productStatusRules,
  fields: reference,
  errors: errorsOfChange,
  run: ({ products }, scope, input) => products.suspend(scope, input),
  payload: currentProduct,
});

command({
  name: 'resumeProduct',
  description: 'Serves a suspended product again. Resuming an active one changes nothing.',
  scopes,
  target,
  input: productStatusRules,
  fields: reference,
  errors: errorsOfChange,
  run: ({ products }, scope, input) => products.resume(scope, input),
  payload: currentProduct,
});

command({
  name: 'deleteProduct',
  description:
    'Deletes a product for good, with its keys and policies. Refused while it has engines, unless `drainEngines` is given. Its audit log stays, and its slug is free again.',
  scopes,
  target,
  input: deleteProductRules,
  fields: (t) => ({
    ...reference(t),
    drainEngines: t.boolean({
      required: true,
      defaultValue: false,
      description:
        'Whether its engines are destroyed first: the product becomes DELETING and its engines DESTROYING, and `destroyEngine` for the last of them deletes the product.',
    }),
    dryRun: t.boolean({ required: true, defaultValue: false, description: 'Only say what would happen.' }),
  }),
  errors: [NotFoundError, StaleRevisionError, ProductHasEnginesError],
  run: ({ products }, scope, input) => products.delete(scope, input),
  payload: (t) => ({
    deletedProductId: t.id({
      description: 'The id of the product.',
      resolve: (answer) => encodeId('Product', answer.deletedProductId),
    }),
    product: t.expose('product', {
      type: Product,
      nullable: true,
      description: 'The product while it waits for its engines to be destroyed, or in a dry run; null: it is gone.',
    }),
    remainingEngineCount: t.exposeInt('remainingEngineCount', {
      description: 'How many engines it has that are not destroyed yet.',
    }),
    dryRun: t.exposeBoolean('dryRun', { description: 'True: nothing was changed.' }),
  }),
});

interface PolicyAnswer {
  readonly product: ProductRow;
  readonly policy: Policy;
  readonly exceedingEngineCount: number;
  readonly dryRun: boolean;
}

const policyAnswer: ObjectFieldsShape<GraphSchemaTypes, PolicyAnswer> = (t) => ({
  product: t.expose('product', { type: Product, description: 'The product as it is now.' }),
  policy: t.expose('policy', {
    type: ProductPolicyType,
    description: 'The policy as it is now; in a dry run, as it would be.',
  }),
  exceedingEngineCount: t.exposeInt('exceedingEngineCount', {
    description:
      'How many engines more there are than it allows. None of them is destroyed; no further one is registered.',
  }),
  dryRun: t.exposeBoolean('dryRun', { description: 'True: nothing was changed.' }),
});

const policyReference = (t: Fields) => ({
  ...reference(t),
  dryRun: t.boolean({
    required: true,
    defaultValue: false,
    description: 'Only say what the policy would be and how many engines would exceed it.',
  }),
});

command({
  name: 'setProductPolicy',
  description:
    'Replaces the policy of a product as a whole: what is omitted is unlimited. The same values again change nothing.',
  scopes,
  target,
  input: productPolicyRules,
  fields: (t) => ({
    ...policyReference(t),
    policy: t.field({ type: ProductPolicyInput, required: true, description: 'The new policy.' }),
  }),
  errors: errorsOfChange,
  run: ({ productPolicies }, scope, input) => productPolicies.set(scope, input),
  payload: policyAnswer,
});

command({
  name: 'updateProductPolicy',
  description: 'Changes a part of the policy of a product: what is omitted stays as it is, null is unlimited.',
  scopes,
  target,
  input: productPolicyRules,
  fields: (t) => ({
    ...policyReference(t),
    policy: t.field({ type: ProductPolicyInput, required: true, description: 'What to change.' }),
  }),
  errors: errorsOfChange,
  run: ({ productPolicies }, scope, input) => productPolicies.update(scope, input),
  payload: policyAnswer,
});

command({
  name: 'revertProductPolicy',
  description:
    'Sets the policy of a product to what an earlier version was. That makes a new version, which says so. The values that it has already change nothing.',
  scopes,
  target,
  input: revertProductPolicyRules,
  fields: (t) => ({
    ...policyReference(t),
    version: t.int({ required: true, description: 'The version to bring back.' }),
  }),
  errors: errorsOfChange,
  run: ({ productPolicies }, scope, input) => productPolicies.revert(scope, input),
  payload: policyAnswer,
});
