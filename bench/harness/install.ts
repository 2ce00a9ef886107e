/** Installs the peers when they are missing or older than the lockfile. */
import { spawnSync } from 'node:child_process';
import { lstatSync, statSync } from 'node:fs';
import { join } from 'node:path';

function modifiedAtMs(file: string): number {
  return statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? 0;
}

export function installPeers(folder: string): void {
  // Through a link npm would empty the folder of another working copy.
  if (lstatSync(join(folder, 'node_modules'), { throwIfNoEntry: false })?.isSymbolicLink()) return;
  // npm writes this file at the end of an install, so an interrupted one is repeated.
  const installed = modifiedAtMs(join(folder, 'node_modules', '.package-lock.json'));
  if (installed >= modifiedAtMs(join(folder, 'package-lock.json'))) return;
  console.log('Installing what the peers need (once) ...');
  const { status } = spawnSync('npm', ['ci'], { cwd: folder, stdio: 'inherit' });
  if (status !== 0) throw new Error('npm ci failed in bench/');
}
