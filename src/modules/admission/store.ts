import type { AdmissionWriter } from './writer.ts';

/** Where admission keeps what has to outlast it. */
export type AdmissionStore = Pick<
  AdmissionWriter,
  'grant' | 'renew' | 'release' | 'settle' | 'correct' | 'count' | 'close'
>;
