import { once } from 'node:events';
import { connect } from 'node:net';
import { describe, expect, it } from 'vitest';
import { eventually } from '../../testkit/eventually.ts';
import { runningSubscriptions } from '../../testkit/follow.ts';
import { writtenPost } from '../../testkit/raw-http.ts';
import { Socket } from '../../testkit/socket.ts';
import { startLive } from './live.ts';

const { app, clock, snapshots, metric, settle } = await startLive();
const { tenants: few } = snapshots;
snapshots.tenants = Array.from({ length: 300 }, () => few).flat();

/** A reader beside the slow one. */
async function startQuick(): Promise<Socket> {
  const quick = await Socket.accepted(app.app.url, app.operator.headers);
  quick.subscribe('1', 'subscription { fairshareLive(minIntervalMs: 100) { seq } }');
  await quick.message();
  return quick;
}

const seqOf = (payload: unknown) => (payload as { data: { fairshareLive: { seq: number } } }).data.fairshareLive.seq;

/** Has many snapshots follow each other, each of which the quick one has before the next. */
async function followedBy(quick: Socket): Promise<{ newest: number; sentToSlow: number }> {
  const rounds = 60;
  const sentBefore = await metric('liveResults');
  let newest = 0;
  for (let round = 0; round < rounds; round += 1) {
    snapshots.change();
    clock.advance(100);
    newest = seqOf((await quick.message()).payload);
  }
  return { newest, sentToSlow: (await metric('liveResults')) - sentBefore - rounds };
}

describe('a slow reader', () => {
  const large = 'x'.repeat(200);
  /** A selection whose result is far larger than what systems keep for one connection. */
  const heavy = `subscription { fairshareLive(minIntervalMs: 100) { seq tenants { name
    ${Array.from({ length: 20 }, (_, index) => `${large}${index}: name`).join(' ')} } } }`;

  it('over a WebSocket skips to the newest, keeps no more than one result waiting, and holds nobody up', async () => {
    settle();
    const slow = await Socket.accepted(app.app.url, app.operator.headers);
    const quick = await startQuick();
    slow.subscribe('1', heavy);
    await slow.message();
    slow.pause();
    const before = process.memoryUsage().rss;
    const { newest, sentToSlow } = await followedBy(quick);
    expect(sentToSlow).toBeLessThan(20);
    expect(process.memoryUsage().rss - before).toBeLessThan(400_000_000);
    slow.resume();
    let seen = 0;
    for (let count = 0; count <= sentToSlow && seen < newest; count += 1) seen = seqOf((await slow.message()).payload);
    expect(seen).toBe(newest);
    await Promise.all([slow.close(), quick.close()]);
  });

  it('over SSE skips to the newest as well', async () => {
    settle();
    const before = await runningSubscriptions(app.app);
    const { hostname, port } = new URL(app.app.url);
    const stream = connect(Number(port), hostname);
    await once(stream, 'connect');
    stream.pause();
    const headers = { ...app.operator.headers, accept: 'text/event-stream', 'content-type': 'application/json' };
    stream.write(writtenPost(headers, JSON.stringify({ query: heavy })));
    await eventually(async () => expect(await runningSubscriptions(app.app)).toBe(before + 1));
    const quick = await startQuick();
    const { newest, sentToSlow } = await followedBy(quick);
    expect(sentToSlow).toBeLessThan(20);
    await quick.close();
    const wanted = `"seq":${newest},`;
    let end = '';
    const isThere = new Promise<void>((resolve) => {
      stream.setEncoding('latin1').on('data', (more: string) => {
        if ((end + more).includes(wanted)) resolve();
        end = more.slice(-wanted.length);
      });
    });
    stream.resume();
    // Nothing changes any more: what was not sent is sent as soon as there is room.
    await isThere;
    stream.destroy();
    await eventually(async () => expect(await runningSubscriptions(app.app)).toBe(before));
  });
});
