import { builder } from './graph/builder.ts';
import { directives } from './graph/directives.ts';
import './graph/error-types.ts';
import './modules/audit/schema.ts';
import './modules/engines/admission-schema.ts';
import './modules/engines/commands.ts';
import './modules/engines/schema.ts';
import './modules/fairshare-groups/commands.ts';
import './modules/fairshare-groups/schema.ts';
import './modules/products/commands.ts';
import './modules/products/schema.ts';
import './modules/products/version-schema.ts';
import './modules/teams/commands.ts';
import './modules/teams/schema.ts';
import './modules/tenants/commands.ts';
import './modules/tenants/schema.ts';
import './modules/users/commands.ts';
import './modules/users/schema.ts';
import './modules/viewer/schema.ts';

/** The whole graph: every module that is imported above. */
export const schema = builder.toSchema({ directives });
