/** The program as src/main.ts starts it; with BENCH_FENCE=off its reads for tenants are behind no fence. */
import { startApp } from '../../src/app.ts';
import { readConfig } from '../../src/config.ts';
import { requiredText } from './environment.ts';

const app = await startApp(readConfig());
if (requiredText('BENCH_FENCE') === 'off') {
  // Every part of the program has this very object; what it reads for tenants keeps the conditions of the services.
  Object.assign(app.database, { readerFor: () => app.database.reader });
}
process.once('SIGTERM', () => void app.close());
