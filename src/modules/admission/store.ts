import type { AdmissionWriter } from './writer.ts';

/** Where admission keeps what has to outlast it. */
export type AdmissionStore = Pick<
  AdmissionWriter,
  'grant' | 'renew' | 'release' | 'settle' | 'correct' | 'count' | 'close'
>;

/** The time in which one process decides, as whoever keeps things for it knows it. */
export interface Epoch {
  readonly epoch: number;
  /** To be called when something was refused since a later epoch has begun. */
  readonly onOutdated: () => void;
}
