/**
 * Makes fairshare groups and tenants as a JSON file describes them: creates what is missing, changes what differs, and
 * leaves the rest alone. It can be run again at any time, also after it was interrupted.
 *
 *   npm run example -- provision-tenants examples/tenants.json
 *
 * With FAIRLEAD_URL and FAIRLEAD_KEY (scopes tenants:read, tenants:write, fairshare:read, fairshare:write) it provisions
 * another server than the one of this folder.
 */
import { readFile } from 'node:fs/promises';
import { provisionGroup } from './provisioning/groups.ts';
import { provisionTenant } from './provisioning/tenants.ts';
import { wantedState } from './provisioning/wanted.ts';

const file = process.argv[2] ?? new URL('tenants.json', import.meta.url);
const { fairshareGroups, tenants } = wantedState.parse(JSON.parse(await readFile(file, 'utf8')));

for (const group of fairshareGroups) process.stdout.write(`${await provisionGroup(group)}\n`);
for (const tenant of tenants) process.stdout.write(`${await provisionTenant(tenant)}\n`);
