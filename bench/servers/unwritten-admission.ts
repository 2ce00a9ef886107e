/** The program as src/main.ts starts it, but that nothing of admission is written: what is left is the work of deciding. */
import { startApp } from '../../src/app.ts';
import { readConfig } from '../../src/config.ts';
import type { AdmissionStore } from '../../src/modules/admission/store.ts';

const nothing = Promise.resolve();

const admissionStore: AdmissionStore = {
  grant: () => nothing,
  renew: () => nothing,
  release: () => nothing,
  settle: async (record) => ({ record, isNew: true }),
  correct: async () => undefined,
  count: () => nothing,
  close: () => nothing,
};

const app = await startApp(readConfig(), { admissionStore });
process.once('SIGTERM', () => void app.close());
