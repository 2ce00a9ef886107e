import { describe, expect, it } from 'vitest';
import { eventually } from '../../testkit/eventually.ts';
import { follow, runningSubscriptions, type Transport } from '../../testkit/follow.ts';
import { graphql } from '../../testkit/generated/gql.ts';
import { openConnection, writtenPost } from '../../testkit/raw-http.ts';
import { Socket } from '../../testkit/socket.ts';
import { SnapshotFollow, startLive } from './live.ts';

const { app, clock, snapshots, tenants, settle } = await startLive();

const StatsFollow = graphql(`
  subscription SnapshotStatsFollow {
    statsLive {
      seq
      totals {
        inFlight
      }
    }
  }
`);

describe.each<Transport>(['WebSocket', 'SSE'])('a live subscription over %s', (transport) => {
  it('gives the newest at once, then the newest when something changed, no sooner than asked for', async () => {
    settle();
    const following = await follow(app.app, app.operator, SnapshotFollow, { minIntervalMs: 250 }, transport);
    const { fairshareLive: first } = await following.next();
    expect(first.totals?.inFlight).toBe(snapshots.tenants.reduce((sum, { inFlight }) => sum + inFlight, 0));
    const second = following.next();
    snapshots.change();
    clock.advance(249);
    snapshots.change();
    clock.advance(1);
    expect((await second).fairshareLive).toMatchObject({
      seq: first.seq + 1,
      asOf: clock.now().toISOString(),
      totals: { inFlight: (first.totals?.inFlight ?? 0) + 2 },
    });
    await following.stop();
  });

  it('gives something every 10 seconds, also when nothing changes', async () => {
    settle();
    const following = await follow(app.app, app.operator, SnapshotFollow, {}, transport);
    const { fairshareLive: first } = await following.next();
    const second = following.next();
    clock.advance(10_000);
    const { fairshareLive: next } = await second;
    expect(next.seq).toBeGreaterThan(first.seq);
    // The newest may be a second old when nothing has changed.
    expect(clock.nowMs() - Date.parse(next.asOf)).toBeLessThanOrEqual(1_000);
    await following.stop();
  });

  it('gives every second how long somebody waits, and how fast requests come, though nothing else changes', async () => {
    settle();
    snapshots.change(() => {
      snapshots.oldestWaitMs = 1;
    });
    const waits = await follow(app.app, app.operator, SnapshotFollow, { minIntervalMs: 250 }, transport);
    const rates = await follow(app.app, app.operator, StatsFollow, {}, transport);
    let seen = { fairshare: (await waits.next()).fairshareLive.seq, stats: (await rates.next()).statsLive.seq };
    for (let round = 0; round < 3; round += 1) {
      const next = [waits.next(), rates.next()] as const;
      clock.advance(1_000);
      const [{ fairshareLive }, { statsLive }] = await Promise.all(next);
      expect({ fairshare: fairshareLive.seq, stats: statsLive.seq }).toEqual({
        fairshare: seen.fairshare + 1,
        stats: seen.stats + 1,
      });
      seen = { fairshare: fairshareLive.seq, stats: statsLive.seq };
    }
    snapshots.change(() => {
      snapshots.oldestWaitMs = null;
    });
    await Promise.all([waits.stop(), rates.stop()]);
  });

  it.each([[99], [0], [-1], [10_001]])('refuses an interval of %i ms', async (minIntervalMs) => {
    const socket = await Socket.accepted(app.app.url, app.operator.headers);
    const { errors } = await socket.run('1', SnapshotFollow.toString(), { minIntervalMs });
    expect(errors).toMatchObject([{ extensions: { code: 'BAD_USER_INPUT', argument: 'minIntervalMs' } }]);
    await socket.close();
  });

  it('needs its scope', async () => {
    const socket = await Socket.accepted(app.app.url, app.withScopes('tenants:read').headers);
    const { errors } = await socket.run('1', 'subscription { statsLive { seq } }');
    expect(errors).toMatchObject([{ extensions: { code: 'FORBIDDEN' } }]);
    await socket.close();
  });
});

describe('a live subscription over HTTP', () => {
  const body = JSON.stringify({ query: 'subscription { fairshareLive { algorithm tenants { name } } }' });
  const data = { fairshareLive: { algorithm: 'HIERARCHICAL', tenants: tenants.map(({ name }) => ({ name })) } };

  const begin = async (version: string, accept: string) => {
    settle();
    const { socket, received } = await openConnection(app.app.url);
    const headers = { ...app.operator.headers, accept, 'content-type': 'application/json' };
    socket.write(writtenPost(headers, body, version));
    return { socket, received };
  };

  it('is a stream of events in chunks', async () => {
    const { socket, received } = await begin('1.1', 'text/event-stream');
    const event = `event: next\ndata: ${JSON.stringify({ data })}\n\n`;
    const chunk = `${Buffer.byteLength(event).toString(16)}\r\n${event}\r\n`;
    await eventually(() => expect(received()).toMatch(/event: next(.*\n)+\r\n$/));
    snapshots.change();
    clock.advance(250);
    await eventually(() => expect(received().split('event: next')).toHaveLength(3));
    expect(received()).toMatch(/^HTTP\/1.1 200 /);
    expect(received().slice(received().indexOf('\r\n\r\n') + 4)).toBe(`3\r\n:\n\n\r\n${chunk}${chunk}`);
    socket.destroy();
  });

  it('is the events alone for a client of HTTP/1.0, which knows no chunks', async () => {
    const { socket, received } = await begin('1.0', 'text/event-stream');
    await eventually(() => expect(received()).toContain('event: next'));
    snapshots.change();
    clock.advance(250);
    const event = `event: next\ndata: ${JSON.stringify({ data })}\n\n`;
    await eventually(() => expect(received().slice(received().indexOf('\r\n\r\n') + 4)).toBe(`:\n\n${event}${event}`));
    socket.destroy();
  });

  it('ends when its caller takes no stream of events', async () => {
    const { socket, received } = await begin('1.1', 'multipart/mixed');
    await eventually(() => expect(received()).toMatch(/^HTTP\/1.1 406 /));
    await eventually(async () => expect(await runningSubscriptions(app.app)).toBe(0));
    socket.destroy();
  });
});
