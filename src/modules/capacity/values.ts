import type { CapacitySettings } from '../../database/generated/client.ts';
import { FairshareAlgorithm } from '../../database/generated/enums.ts';

/** The settings that are numbers: what they are as long as nobody sets them, and between what they can be set. */
export const capacitySettings = {
  deploymentMaxInFlight: { default: 4_096, min: 0, max: 1_000_000 },
  modelDefaultMaxInFlight: { default: 32, min: 0, max: 1_000_000 },
  poolQueueMax: { default: 1_000, min: 0, max: 1_000_000 },
  tenantQueueMax: { default: 200, min: 0, max: 1_000_000 },
  queueTimeoutSeconds: { default: 60, min: 1, max: 3_600 },
} as const satisfies Partial<Record<keyof CapacitySettings, { default: number; min: number; max: number }>>;

export type CapacitySettingName = keyof typeof capacitySettings;

/** What one model or one gateway may be given. */
export const ownCapacity = { min: 0, max: 1_000_000 } as const;

/** A bound in words: "0 to 1,000,000". */
export const boundsOf = ({ min, max }: { readonly min: number; readonly max: number }): string =>
  `${min.toLocaleString('en')} to ${max.toLocaleString('en')}`;

/** Where a figure comes from. */
export const capacitySources = {
  DEFAULT: 'Nobody set it: it is what the program begins with.',
  CONFIGURED: 'It was set with `setCapacity`.',
  MODEL_DEFAULT: 'Of a model: none was set for it, so it has that of every such model, `modelDefault`.',
  REPORTED: 'Of a gateway: it is what the gateway said when it registered.',
  UNLIMITED: 'Of a gateway: neither did it say anything, nor was anything set.',
} as const;

type CapacitySource = keyof typeof capacitySources;

/** A setting with where it comes from. */
export interface CapacitySetting {
  readonly value: number;
  readonly source: CapacitySource;
}

export const fairshareAlgorithms = {
  HIERARCHICAL: 'Groups share by their weights, then the tenants of each group, then the keys of each tenant.',
  WEIGHTED: 'Tenants share by their weights, whatever their group, then the keys of each tenant.',
} as const satisfies Record<FairshareAlgorithm, string>;

export const fairshareAlgorithmNames = Object.values(FairshareAlgorithm);

export function settingOf(row: CapacitySettings, name: CapacitySettingName): CapacitySetting {
  const set = row[name];
  return set === null
    ? { value: capacitySettings[name].default, source: 'DEFAULT' }
    : { value: set, source: 'CONFIGURED' };
}

/** How much of one model may run at once. */
export interface ModelCapacityFigures {
  readonly modelId: string;
  readonly maxInFlight: number;
  readonly source: CapacitySource;
}

export function capacityOfModel(modelId: string, own: number | null, row: CapacitySettings): ModelCapacityFigures {
  return own === null
    ? { modelId, maxInFlight: settingOf(row, 'modelDefaultMaxInFlight').value, source: 'MODEL_DEFAULT' }
    : { modelId, maxInFlight: own, source: 'CONFIGURED' };
}

/** How much one gateway may run at once: never more than it can. */
export interface GatewayCapacityFigures {
  readonly gatewayId: string;
  readonly maxInFlight: number | null;
  readonly source: CapacitySource;
  readonly reportedMaxInFlight: number | null;
  readonly configuredMaxInFlight: number | null;
}

export function capacityOfGateway(
  gatewayId: string,
  reported: number | null,
  configured: number | null,
): GatewayCapacityFigures {
  const figures = { gatewayId, reportedMaxInFlight: reported, configuredMaxInFlight: configured };
  if (configured !== null && (reported === null || configured <= reported)) {
    return { ...figures, maxInFlight: configured, source: 'CONFIGURED' };
  }
  return { ...figures, maxInFlight: reported, source: reported === null ? 'UNLIMITED' : 'REPORTED' };
}
