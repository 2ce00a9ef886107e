/** Whether a caller gave a value: neither left it out nor gave null. */
export const isGiven = <Value>(value: Value | null | undefined): value is Value =>
  value !== undefined && value !== null;
