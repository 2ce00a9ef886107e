import type { RuntimeCommandCases } from '../testkit/runtime-command-case.ts';
import { admissionRuntimeCases } from './admission/cases.ts';
import { gatewayRuntimeCases } from './gateways/cases.ts';

/** Every command of the graph that is part of running. A test fails for one that is not here. */
export const runtimeCommandCases: RuntimeCommandCases = {
  ...admissionRuntimeCases,
  ...gatewayRuntimeCases,
};
