/** The load generator: a process of its own that keeps every connection busy with one request after another. */
import { randomBytes } from 'node:crypto';
import { idPlaceholder, namePlaceholder, secretPlaceholder } from '../contenders/contender.ts';
import { createdNamePrefix, tenantCount, tenantName } from './dataset.ts';
import { KeepAliveClient, requestHead } from './keep-alive-client.ts';
import { keyCount, keyName, keySecret, seenKeyCount } from './keys.ts';
import type { LoadOrder, LoadReply, Measurement } from './load-protocol.ts';
import { familyMicroseconds, processMicroseconds } from './process-time.ts';
import { percentile } from './statistics.ts';

const nowUs = (): number => Number(process.hrtime.bigint() / 1_000n);

/** Time-ordered like the ids that servers make themselves, so that no index is filled in a worse order than another. */
function makeUuidV7(): string {
  const hex = Date.now().toString(16).padStart(12, '0') + randomBytes(10).toString('hex');
  const variant = ((Number.parseInt(hex.charAt(16), 16) & 3) | 8).toString(16);
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-7${hex.slice(13, 16)}-${variant}${hex.slice(17, 20)}-${hex.slice(20)}`;
}

function makeNames(order: LoadOrder): () => string {
  let count = 0;
  if (order.names === 'fresh') {
    const prefix = `${createdNamePrefix}${randomBytes(6).toString('hex')}-`;
    return () => `${prefix}${++count}`;
  }
  // A stride that shares no factor with the number of rows visits all of them, in no helpful order.
  const next = (rowCount: number): number => ((++count * 1_237) % rowCount) + 1;
  if (order.names === 'tenants') return () => tenantName(next(tenantCount));
  // Each measurement goes on elsewhere, so that the next server does not find the pages that this one has warmed.
  count = Math.floor(Math.random() * keyCount);
  return () => keyName(next(order.names === 'keys' ? keyCount : seenKeyCount));
}

const secrets = new Map<string, string>();

function secretOf(name: string): string {
  if (secrets.size === 0) {
    for (let number = 1; number <= keyCount; number += 1) secrets.set(keyName(number), keySecret(number));
  }
  return secrets.get(name) ?? '';
}

function makeBodies(template: string): (name: string) => string {
  const pieces = template.split(namePlaceholder);
  const hasId = template.includes(idPlaceholder);
  const hasSecret = template.includes(secretPlaceholder);
  return (name) => {
    const body = pieces.length === 1 ? template : pieces.join(name);
    if (hasSecret) return body.replace(secretPlaceholder, secretOf(name));
    return hasId ? body.replace(idPlaceholder, makeUuidV7()) : body;
  };
}

/** The requests to send, one after another: the variants in turn. */
function makeRequests(
  order: LoadOrder,
): () => { readonly head: string; readonly body: string; readonly marker: string } {
  const nextName = makeNames(order);
  const variants = order.variants.map(({ headers, bodyTemplate, marker }) => ({
    head: requestHead({ ...order.target, headers }),
    makeBody: makeBodies(bodyTemplate),
    marker,
  }));
  let count = 0;
  return () => {
    const variant = variants[count++ % variants.length];
    if (variant === undefined) throw new Error('there is nothing to send');
    const name = nextName();
    return {
      head: variant.head,
      body: variant.makeBody(name),
      marker: variant.marker.replace(namePlaceholder, name),
    };
  };
}

interface Clocks {
  readonly atUs: number;
  readonly serverUs: number | undefined;
  readonly postgresUs: number | undefined;
  readonly loadUs: number;
}

function readClocks({ serverPid, postmasterPid }: LoadOrder): Clocks {
  const { user, system } = process.cpuUsage();
  return {
    serverUs: processMicroseconds(serverPid),
    postgresUs: postmasterPid === undefined ? undefined : familyMicroseconds(postmasterPid),
    loadUs: user + system,
    atUs: nowUs(),
  };
}

const perRequest = (from: number | undefined, to: number | undefined, count: number): number | undefined =>
  from === undefined || to === undefined ? undefined : (to - from) / count;

function summarise(latenciesMs: number[], before: Clocks, after: Clocks): Measurement {
  const count = latenciesMs.length;
  if (count === 0) throw new Error('no request was answered in time');
  latenciesMs.sort((left, right) => left - right);
  return {
    requestCount: count,
    requestsPerSecond: (count * 1_000_000) / (after.atUs - before.atUs),
    p50Ms: percentile(latenciesMs, 0.5),
    p99Ms: percentile(latenciesMs, 0.99),
    serverCpuUsPerRequest: perRequest(before.serverUs, after.serverUs, count),
    postgresCpuUsPerRequest: perRequest(before.postgresUs, after.postgresUs, count),
    loadCpuUsPerRequest: (after.loadUs - before.loadUs) / count,
    startedAtUs: before.atUs,
    endedAtUs: after.atUs,
  };
}

async function run(order: LoadOrder): Promise<Measurement> {
  const nextRequest = makeRequests(order);
  const clients = await Promise.all(
    Array.from({ length: order.connectionCount }, () => KeepAliveClient.open(order.target)),
  );
  const latenciesMs: number[] = [];
  const measureFromMs = performance.now() + order.warmUpMs;
  const stopAtMs = measureFromMs + order.measureMs;
  let before: Clocks | undefined;

  const keepBusy = async (client: KeepAliveClient): Promise<void> => {
    for (;;) {
      const sentAtMs = performance.now();
      if (sentAtMs >= stopAtMs) return;
      if (before === undefined && sentAtMs >= measureFromMs) before = readClocks(order);
      const request = nextRequest();
      const { status, body } = await client.send(request.body, request.head);
      if (before !== undefined && sentAtMs >= measureFromMs) latenciesMs.push(performance.now() - sentAtMs);
      const hasMarker = body.includes(request.marker);
      if (status !== 200 || !hasMarker || body.includes('"errors":')) {
        throw new Error(`a request was answered with ${status}: ${body.toString('utf8', 0, 500)}`);
      }
    }
  };

  try {
    await Promise.all(clients.map(keepBusy));
    const after = readClocks(order);
    if (before === undefined) throw new Error('the measurement never began');
    return summarise(latenciesMs, before, after);
  } finally {
    for (const client of clients) client.close();
  }
}

const reply = (message: LoadReply): void => void process.send?.(message);

process.on('message', (order: LoadOrder) => {
  run(order).then(
    (measurement) => reply({ kind: 'measured', measurement }),
    (error: unknown) => reply({ kind: 'failed', reason: String(error) }),
  );
});

// Whoever started this process is gone: nobody waits for a result.
process.on('disconnect', () => process.exit(0));
