import { connect, createServer, type Socket } from 'node:net';

/** Stands between a client and a server, and can be made to lose what they send, without a word to either. */
export interface TcpProxy {
  /** The given URL, by way of the proxy. */
  readonly url: string;
  /** Whatever is sent over the connections that are there is lost from now on; new ones are carried. */
  loseEverythingSent(): void;
  /** Ends the connections that are there; new ones are carried. */
  cut(): void;
  /**
   * Holds back what the server says to those who began with this text, such as the name that they give themselves; it
   * comes when the returned function is called. Whatever they send is carried.
   */
  hold(begin: string): () => void;
  close(): Promise<void>;
}

export async function startTcpProxy(targetUrl: string): Promise<TcpProxy> {
  const target = new URL(targetUrl);
  const pairs = new Set<readonly [Socket, Socket]>();
  const begins = new Map<Socket, string>();
  const server = createServer((near) => {
    const far = connect(Number(target.port), target.hostname);
    const pair = [near, far] as const;
    near.once('data', (data) => begins.set(far, data.toString('latin1')));
    far.on('close', () => begins.delete(far));
    pairs.add(pair);
    for (const [from, to] of [pair, [far, near] as const]) {
      from.pipe(to);
      from.on('error', () => undefined);
      from.on('close', () => to.destroy());
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('The proxy has no port.');
  const url = new URL(targetUrl);
  url.host = `127.0.0.1:${address.port}`;
  const cut = (): void => {
    for (const socket of [...pairs].flat()) socket.destroy();
    pairs.clear();
  };
  return {
    url: url.href,
    cut,
    hold: (begin) => {
      const held = [...pairs].filter(([, far]) => begins.get(far)?.includes(begin) === true);
      if (held.length === 0) throw new Error(`Nobody has begun with ${begin}.`);
      for (const [near, far] of held) far.unpipe(near).pause();
      return () => {
        for (const [near, far] of held) far.pipe(near);
      };
    },
    loseEverythingSent: () => {
      for (const [near, far] of pairs) {
        near.unpipe(far).resume();
        far.unpipe(near).resume();
      }
    },
    close: () => {
      cut();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
}
