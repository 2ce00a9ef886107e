import type { CommandCases } from '../testkit/command-case.ts';
import { appCases } from './apps/cases.ts';
import { capacityCases } from './capacity/cases.ts';
import { engineCases } from './engines/cases.ts';
import { fairshareGroupCases } from './fairshare-groups/cases.ts';
import { gatewayCases } from './gateways/cases.ts';
import { keyCases } from './keys/cases.ts';
import { modelCases } from './models/cases.ts';
import { productCases } from './products/cases.ts';
import { teamCases } from './teams/cases.ts';
import { tenantCases } from './tenants/cases.ts';
import { userCases } from './users/cases.ts';

/** Every command of the graph. A test fails for one that is not here. */
export const commandCases: CommandCases = {
  ...tenantCases,
  ...fairshareGroupCases,
  ...teamCases,
  ...userCases,
  ...productCases,
  ...keyCases,
  ...engineCases,
  ...appCases,
  ...modelCases,
  ...gatewayCases,
  ...capacityCases,
};
