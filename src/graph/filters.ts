import { comparableText } from './arguments.ts';
import { builder } from './builder.ts';
import { isGiven } from './given.ts';
import { decodeIdArgument, type NodeType } from './ids.ts';

export const TextFilter = builder.inputType('TextFilter', {
  description: 'Compares a text without regard to case. Every condition that is given has to hold.',
  fields: (t) => ({
    equals: t.string({ description: 'Is this.' }),
    startsWith: t.string({ description: 'Begins with this.' }),
    contains: t.string({ description: 'Has this in it somewhere.' }),
  }),
});

export const TextStartFilter = builder.inputType('TextStartFilter', {
  description:
    'Compares the beginning of a text without regard to case, which an index answers. Every condition that is given has to hold.',
  fields: (t) => ({
    equals: t.string({ description: 'Is this.' }),
    startsWith: t.string({ description: 'Begins with this.' }),
  }),
});

export const ExactTextFilter = builder.inputType('ExactTextFilter', {
  description: 'Compares a text as it is stored: `a` and `A` are two texts. Every condition that is given has to hold.',
  fields: (t) => ({
    equals: t.string({ description: 'Is this.' }),
    startsWith: t.string({ description: 'Begins with this.' }),
    contains: t.string({ description: 'Has this in it somewhere.' }),
  }),
});

/** Checks the texts of a filter. @throws {RequestError} naming the condition that cannot be compared */
export function checkTextFilter(argument: string, filter: typeof TextFilter.$inferInput): void {
  for (const [condition, text] of Object.entries(filter)) {
    if (typeof text === 'string') comparableText(`${argument}.${condition}`, text);
  }
}

/** The UUID of an id in a filter, if one was given. @throws {RequestError} when it is no id of the type */
export const filterId = (type: NodeType, argument: string, id: string | null | undefined): string | undefined =>
  isGiven(id) ? decodeIdArgument(type, argument, id) : undefined;

export const IntRange = builder.inputType('IntRange', {
  description: 'A range of whole numbers, both ends included; a missing end is open.',
  fields: (t) => ({
    min: t.int({ description: 'At least this.' }),
    max: t.int({ description: 'At most this.' }),
  }),
});

export const DateTimeRange = builder.inputType('DateTimeRange', {
  description: 'A range of time; a missing end is open.',
  fields: (t) => ({
    from: t.field({ type: 'DateTime', description: 'At this time or later.' }),
    until: t.field({ type: 'DateTime', description: 'Before this time.' }),
  }),
});
