/** Reads a .cpuprofile: self time by function and by package, of the stretches in which load was measured. */
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onCleanup } from './cleanup.ts';

interface ProfileNode {
  readonly id: number;
  readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number };
}

interface CpuProfile {
  readonly nodes: readonly ProfileNode[];
  /** On the clock of process.hrtime. */
  readonly startTime: number;
  readonly samples: readonly number[];
  readonly timeDeltas: readonly number[];
}

export interface ProfiledStretch {
  readonly title: string;
  readonly startedAtUs: number;
  readonly endedAtUs: number;
  readonly requestCount: number;
}

const functionRows = 30;
const packageRows = 20;

function readSource(url: string): { readonly place: string; readonly owner: string } {
  if (url === '') return { place: '', owner: '(engine)' };
  if (url.startsWith('node:')) return { place: url, owner: 'node' };
  const inPackages = url.lastIndexOf('/node_modules/');
  if (inPackages !== -1) {
    const path = url.slice(inPackages + '/node_modules/'.length);
    const parts = path.split('/');
    return { place: path, owner: parts.slice(0, path.startsWith('@') ? 2 : 1).join('/') };
  }
  const inSource = /\/((?:src|bench)\/.*)$/.exec(url)?.[1];
  if (inSource === undefined) return { place: url, owner: url.startsWith('wasm') ? 'WebAssembly' : '(other)' };
  // Generated code is somebody else's; the rest is told apart by folder: src/graph, src/modules/tenants.
  const folders = inSource.split('/').slice(0, -1);
  const depth = folders[1] === 'modules' || folders.includes('generated') ? 3 : 2;
  return { place: inSource, owner: folders.slice(0, depth).join('/') };
}

function nameOf({ callFrame: { functionName, url, lineNumber } }: ProfileNode): string {
  const { place } = readSource(url);
  const name = functionName === '' ? '(anonymous)' : functionName;
  return place === '' ? name : `${name}  ${place}:${lineNumber + 1}`;
}

function addTo(sums: Map<string, number>, key: string, amount: number): void {
  sums.set(key, (sums.get(key) ?? 0) + amount);
}

function renderSums(sums: ReadonlyMap<string, number>, rows: number, busyUs: number, requestCount: number): string {
  return [...sums]
    .sort(([, left], [, right]) => right - left)
    .slice(0, rows)
    .map(
      ([name, us]) =>
        `${((us / busyUs) * 100).toFixed(1).padStart(6)} %${(us / requestCount).toFixed(1).padStart(9)} µs  ${name}`,
    )
    .join('\n');
}

function renderStretch(profile: CpuProfile, nodes: ReadonlyMap<number, ProfileNode>, stretch: ProfiledStretch): string {
  const byFunction = new Map<string, number>();
  const byPackage = new Map<string, number>();
  let busyUs = 0;
  let idleUs = 0;
  let atUs = profile.startTime;
  for (const [index, nodeId] of profile.samples.entries()) {
    atUs += profile.timeDeltas[index] ?? 0;
    if (atUs < stretch.startedAtUs || atUs > stretch.endedAtUs) continue;
    const node = nodes.get(nodeId);
    // A sample stands for the time until the next one.
    const lengthUs = profile.timeDeltas[index + 1] ?? 0;
    if (node === undefined || lengthUs < 0) continue;
    if (node.callFrame.functionName === '(idle)') {
      idleUs += lengthUs;
      continue;
    }
    busyUs += lengthUs;
    addTo(byFunction, nameOf(node), lengthUs);
    const { owner } = readSource(node.callFrame.url);
    const name = node.callFrame.functionName;
    addTo(byPackage, owner === '(engine)' && name.startsWith('(') ? name : owner, lengthUs);
  }
  const idleShare = ((idleUs / (busyUs + idleUs)) * 100).toFixed(0);
  const perRequestUs = (busyUs / stretch.requestCount).toFixed(0);
  return [
    `== ${stretch.title}: ${perRequestUs} µs of the main thread per request, ${idleShare} % idle ==`,
    'self time by package',
    renderSums(byPackage, packageRows, busyUs, stretch.requestCount),
    'self time by function',
    renderSums(byFunction, functionRows, busyUs, stretch.requestCount),
  ].join('\n');
}

/** A folder for a server's profile, and the options with which Node writes it there. */
export async function profileFolder(): Promise<{ readonly folder: string; readonly nodeOptions: readonly string[] }> {
  const folder = await mkdtemp(join(tmpdir(), 'fairlead-bench-profile-'));
  onCleanup(() => rm(folder, { recursive: true, force: true }));
  return { folder, nodeOptions: ['--cpu-prof', `--cpu-prof-dir=${folder}`, '--cpu-prof-interval=500'] };
}

/** @param folder what the server was given as --cpu-prof-dir; it writes its profile there when it ends */
export async function renderProfile(folder: string, stretches: readonly ProfiledStretch[]): Promise<string> {
  const files = (await readdir(folder)).filter((file) => file.endsWith('.cpuprofile')).sort();
  const texts = await Promise.all(files.map((file) => readFile(join(folder, file), 'utf8')));
  // Worker threads write a profile of their own; the longest text is the main thread's.
  const text = texts.sort((left, right) => right.length - left.length)[0];
  if (text === undefined) throw new Error('the server wrote no CPU profile; it has to end by itself on SIGTERM');
  const profile = JSON.parse(text) as CpuProfile;
  const nodes = new Map(profile.nodes.map((node) => [node.id, node]));
  return stretches.map((stretch) => renderStretch(profile, nodes, stretch)).join('\n\n');
}
