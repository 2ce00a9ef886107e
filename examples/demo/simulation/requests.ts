import { logNormalMean, type Random } from './random.ts';

/** A model as a simulated gateway runs it. */
export interface SimulatedModel {
  readonly name: string;
  readonly type: 'CHAT' | 'EMBEDDING';
  readonly medianInputTokens: number;
  /** 0: it answers without tokens. */
  readonly medianOutputTokens: number;
  readonly outputTokensPerSecond: number;
  readonly ttftMs: number;
  /** How often it is asked for, beside the others. */
  readonly popularity: number;
}

type Priority = 'LOW' | 'NORMAL' | 'HIGH';

/** One request: what is said of it before it runs, and what becomes of it when it does. */
export interface RequestShape {
  readonly model: SimulatedModel;
  readonly priority: Priority;
  readonly estimatedInputTokens: number;
  readonly estimatedOutputTokens: number;
  readonly inputTokens: number;
  readonly outputTokens: number;
  readonly ttftMs: number;
  /** From the start of its run to its end. */
  readonly totalMs: number;
  readonly statusCode: 200 | 500;
  /** Its client goes away when it has waited so long; null: it waits as long as it may. */
  readonly patienceMs: number | null;
}

const spread = 0.6;
/** An estimate is made before the answer is known. */
const estimateSpread = 0.25;
const failingShare = 0.02;
const impatientShare = 0.15;
const medianPatienceMs = 6_000;

const priorities = [
  { value: 'NORMAL', weight: 8 },
  { value: 'LOW', weight: 1 },
  { value: 'HIGH', weight: 1 },
] as const;

const wholeTokens = (tokens: number): number => Math.max(1, Math.round(tokens));

/** The next request that somebody makes. */
export function requestShape(random: Random, models: readonly SimulatedModel[]): RequestShape {
  const model = random.pick(models.map((value) => ({ value, weight: value.popularity })));
  const inputTokens = wholeTokens(random.logNormal(model.medianInputTokens, spread));
  const wantedTokens = model.medianOutputTokens === 0 ? 0 : random.logNormal(model.medianOutputTokens, spread);
  const guess = random.logNormal(1, estimateSpread);
  const ttftMs = random.logNormal(model.ttftMs, 0.3);
  const isFailing = random.next() < failingShare;
  const isImpatient = random.next() < impatientShare;
  const patienceMs = random.logNormal(medianPatienceMs, 0.5);
  // One that fails does so on the way.
  const outputTokens = Math.round(isFailing ? wantedTokens * random.next() : wantedTokens);
  return {
    model,
    priority: random.pick(priorities),
    estimatedInputTokens: inputTokens,
    estimatedOutputTokens: model.medianOutputTokens === 0 ? 0 : wholeTokens(wantedTokens * guess),
    inputTokens,
    outputTokens,
    ttftMs,
    totalMs: ttftMs + (outputTokens / model.outputTokensPerSecond) * 1_000,
    statusCode: isFailing ? 500 : 200,
    patienceMs: isImpatient ? patienceMs : null,
  };
}

/** How many slots of a model are taken on average when so many requests come for all models together. */
export function offeredSlots(model: SimulatedModel, models: readonly SimulatedModel[], perSecond: number): number {
  const popularity = models.reduce((sum, each) => sum + each.popularity, 0);
  const outputSeconds = logNormalMean(model.medianOutputTokens, spread) / model.outputTokensPerSecond;
  const seconds = logNormalMean(model.ttftMs, 0.3) / 1_000 + outputSeconds;
  return ((perSecond * model.popularity) / popularity) * seconds;
}
