import { runnerFor } from './runner.ts';
import { credential, serverUrl } from './settings.ts';

/** Sends operations to the server of the settings, with the credential of the settings. */
export const run = runnerFor({ url: serverUrl, credential });
