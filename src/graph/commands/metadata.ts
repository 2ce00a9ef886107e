import { z } from 'zod';
import type { JsonObject } from '../audit.ts';
import { rule } from './validation.ts';

const bytesMax = 16_384;
const depthMax = 10;

type Rule = ReturnType<typeof rule>;

/**
 * What callers keep with a row of theirs: a JSON object that the graph stores and gives back, and never reads. GraphQL
 * has seen to it that it is an object, or null.
 */
export const metadataRule = z
  .custom<JsonObject>(() => true)
  .superRefine((metadata, context) => {
    const broken = brokenRule(metadata);
    if (broken !== undefined) context.addIssue({ code: 'custom', message: broken.error, params: broken.params });
  });

/** What a description of such a field says. */
export const metadataBounds = `at most ${bytesMax.toLocaleString('en')} bytes as JSON, at most ${depthMax} levels deep`;

function brokenRule(metadata: unknown): Rule | undefined {
  if (metadata === null) return rule('NOT_NULLABLE', 'This field cannot be null; give {} to have no metadata.');
  const broken = brokenWithin(metadata, 1);
  if (broken !== undefined) return broken;
  if (Buffer.byteLength(JSON.stringify(metadata)) <= bytesMax) return undefined;
  return rule('TOO_LONG', `Metadata has at most ${bytesMax.toLocaleString('en')} bytes as JSON.`);
}

/** What the database could not keep as it was given. */
function brokenWithin(value: unknown, depth: number): Rule | undefined {
  if (typeof value === 'string') return brokenText(value);
  if (typeof value === 'number' && !Number.isFinite(value)) {
    return rule('OUT_OF_RANGE', 'Metadata has a number that is too large; write it as a text.');
  }
  if (typeof value !== 'object' || value === null) return undefined;
  if (depth > depthMax) return rule('TOO_DEEP', `Metadata is at most ${depthMax} levels deep.`);
  for (const [key, inner] of Object.entries(value)) {
    if (key === '__proto__') return rule('INVALID', 'Metadata cannot have a key named __proto__.');
    const broken = brokenText(key) ?? brokenWithin(inner, depth + 1);
    if (broken !== undefined) return broken;
  }
  return undefined;
}

function brokenText(text: string): Rule | undefined {
  if (text.includes('\0')) return rule('CONTROL_CHARACTER', 'Metadata has a NUL character.');
  return text.isWellFormed() ? undefined : rule('MALFORMED_TEXT', 'Metadata has half of a surrogate pair.');
}
