import { createServer, connect as dial, type Socket } from 'node:net';

/** Stands between a client and a server of this machine. */
export type SilentProxy = {
  readonly port: number;
  /** Open connections stay open and carry nothing any more, as behind a firewall that forgot them; new ones work. */
  silence(): number;
  close(): Promise<void>;
};

export async function startSilentProxy(target: number): Promise<SilentProxy> {
  const pairs = new Set<{ readonly client: Socket; readonly server: Socket; silent: boolean }>();
  const proxy = createServer((client) => {
    const server = dial(target, '127.0.0.1');
    const pair = { client, server, silent: false };
    pairs.add(pair);
    for (const [from, to] of [
      [client, server],
      [server, client],
    ] as const) {
      from.on('data', (piece) => void (pair.silent || to.write(piece)));
      from.on('error', () => undefined);
      from.on('close', () => {
        pairs.delete(pair);
        if (!pair.silent) to.destroy();
      });
    }
  });
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
  const address = proxy.address();
  return {
    port: typeof address === 'object' && address ? address.port : 0,
    silence() {
      for (const pair of pairs) pair.silent = true;
      return pairs.size;
    },
    async close() {
      const closed = new Promise((resolve) => proxy.close(resolve));
      for (const { client, server } of pairs) {
        client.destroy();
        server.destroy();
      }
      await closed;
    },
  };
}
