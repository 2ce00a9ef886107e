import { builder } from './builder.ts';

/** A secret that an answer shows once. It is kept apart from the rest of the answer, and for a short time only. */
export class OneTimeSecret {
  /** Null: the answer is a repetition that came too late. */
  readonly value: string | null;

  constructor(value: string | null) {
    this.value = value;
  }

  /** So that no log and no stored answer shows it by accident. */
  toJSON(): string {
    return '[secret]';
  }
}

export const OneTimeSecretType = builder.objectRef<OneTimeSecret>('OneTimeSecret').implement({
  description: 'A secret that is shown once and cannot be read again.',
  fields: (t) => ({
    value: t.exposeString('value', {
      nullable: true,
      description:
        'The secret; store it now. Null when this answer was repeated under its idempotency key more than 10 minutes after the first, or was first given by a program that seals with other keys.',
    }),
    isGone: t.boolean({
      description: 'Whether it can no longer be had: rotate the key to get another one.',
      resolve: ({ value }) => value === null,
    }),
  }),
});
