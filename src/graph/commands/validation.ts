import { z } from 'zod';
import { ValidationError, type ValidationIssue } from '../errors.ts';
import { decodeId, IdProblem, type NodeType } from '../ids.ts';

/** Checks an input against its rules. @throws {ValidationError} with every broken rule */
export function validate<Input>(schema: z.ZodType<Input>, input: unknown): Input {
  const parsed = schema.safeParse(input, { reportInput: true });
  if (parsed.success) return parsed.data;
  const [first, ...more] = parsed.error.issues.map(readIssue);
  if (first === undefined) throw new Error('zod refused an input without an issue');
  throw new ValidationError([first, ...more]);
}

/** The rules of zod's own checks in the words of the graph. */
const ruleByCode: Readonly<Record<string, string>> = {
  too_small: 'OUT_OF_RANGE',
  too_big: 'OUT_OF_RANGE',
  unrecognized_keys: 'UNKNOWN_FIELD',
  invalid_format: 'INVALID_FORMAT',
};

function readIssue(issue: z.core.$ZodIssue): ValidationIssue {
  const path = issue.path.map(String);
  if (issue.code === 'custom' && typeof issue.params?.rule === 'string') {
    return { rule: issue.params.rule, message: issue.message, path };
  }
  if ((issue.code === 'invalid_type' || issue.code === 'invalid_value') && issue.input === null) {
    return { rule: 'NOT_NULLABLE', message: 'This field cannot be cleared; leave it out to keep its value.', path };
  }
  return { rule: ruleByCode[issue.code] ?? 'INVALID', message: issue.message, path };
}

/** Adds a rule with its own name to a schema's checks. */
export const rule = (name: string, message: string) => ({ error: message, params: { rule: name } });

/** The id of a row of this type; gives its UUID. */
export const idOf = (type: NodeType) =>
  z.string().transform((id, context) => {
    try {
      return decodeId(type, id);
    } catch (error) {
      if (!(error instanceof IdProblem)) throw error;
      context.addIssue({ code: 'custom', message: error.message, params: { rule: error.code } });
      return z.NEVER;
    }
  });

const characterCount = (text: string): number => [...text].length;

/** Text without what no database or terminal should be given: control characters and halves of surrogate pairs. */
export const plainText = (maximum: number) =>
  z
    .string()
    .refine((text) => text.isWellFormed(), rule('MALFORMED_TEXT', 'The text has half of a surrogate pair.'))
    .refine(
      // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for, also those of 8-bit terminals; tab and line breaks may stay
      (text) => !/[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f]/.test(text),
      rule('CONTROL_CHARACTER', 'The text has a control character.'),
    )
    .refine((text) => characterCount(text) <= maximum, rule('TOO_LONG', `At most ${maximum} characters.`));

/** A name: trimmed, on one line, 1 to 255 characters. */
export const nameText = z
  .string()
  .trim()
  .refine((name) => name !== '', rule('BLANK', 'A name has 1 to 255 characters, not counting spaces around it.'))
  .refine((name) => !/[\t\n\r\u2028\u2029]/.test(name), rule('CONTROL_CHARACTER', 'A name stands on one line.'))
  .refine(
    (name) => name === '' || /[\p{L}\p{N}\p{P}\p{S}]/u.test(name),
    rule('INVISIBLE', 'A name has a letter, a digit or another character that can be seen.'),
  )
  .refine(
    (name) => !/[\u202a-\u202e\u2066-\u2069]/.test(name),
    rule('CONTROL_CHARACTER', 'A name cannot turn the direction of writing: it would read as another one.'),
  )
  .pipe(plainText(255));

/** An entry of a list of names that others give: of models, of scanners. */
export const listItem = z.string().trim().min(1, 'An entry has 1 to 255 characters.').pipe(plainText(255));

/** A check of lists that name nothing twice. */
export const distinct = (message: string) =>
  [(items: readonly string[]) => new Set(items).size === items.length, rule('DUPLICATE', message)] as const;

/** The longest that mail servers take. */
const emailLengthMax = 254;

/** An e-mail address, or nothing. */
export const emailAddress = z
  .string()
  .refine(
    (address) => address === '' || z.regexes.email.test(address),
    rule('INVALID_FORMAT', 'An e-mail address, such as ops@example.com, or empty.'),
  )
  .refine((address) => address.length <= emailLengthMax, rule('TOO_LONG', `At most ${emailLengthMax} characters.`));

/** What stands for itself when it is seen; spaces may stand between. Braille's blank counts as a symbol, and is none. */
const visible = /^(?:(?![\p{Default_Ignorable_Code_Point}\u2800])[\p{L}\p{M}\p{N}\p{P}\p{S} ])*$/u;

/** The name that other systems have for something, kept as it is given: what would have to be trimmed is refused. */
export const externalId = z
  .string()
  .refine((id) => id !== '', rule('BLANK', 'An externalId has 1 to 255 characters.'))
  .refine(
    (id) => !/^\s|\s$/u.test(id),
    rule('SURROUNDING_SPACE', 'An externalId neither begins nor ends with a space; it is not trimmed for you.'),
  )
  .pipe(plainText(255))
  .pipe(
    z
      .string()
      .refine(
        (id) => visible.test(id),
        rule('INVISIBLE', 'An externalId has characters that can be seen, with spaces between them at most.'),
      ),
  );

/** What an engine runs: an image's tag, or the whole reference of the image. */
export const engineVersionText = z
  .string()
  .refine(
    (version) => /^[A-Za-z0-9_][\w.+:/@-]{0,254}$/.test(version),
    rule(
      'INVALID_VERSION',
      'An engine version has 1 to 255 letters, digits and _ . + : / @ - and begins with a letter, a digit or _.',
    ),
  );

/** How names are compared and sorted: without regard to case or to the way a character is composed. */
export const foldName = (name: string): string => name.normalize('NFKC').toLowerCase();

/** A share of slots relative to its neighbours'. */
export const weight = z.int().min(1, 'A weight is 1 to 1,000,000.').max(1_000_000, 'A weight is 1 to 1,000,000.');

/** The revision that the caller expects the row to have. */
export const expectedRevision = z.int().min(1, 'Revisions begin at 1.').nullish();

export const idempotencyKeyRule = z
  .string()
  .min(1, 'An idempotency key has 1 to 255 characters.')
  .max(255, 'An idempotency key has 1 to 255 characters.')
  .regex(/^[\x21-\x7e]+$/, 'An idempotency key has printable ASCII characters, without spaces.')
  .nullish();
