import { join } from 'node:path';
import { err, ok, type Result } from '../result.ts';
import { type Runner, wentWell } from '../slurm/cli/run.ts';
import type { SshConnection, Through } from './connection.ts';

/** Addresses over there, each behind a socket of the file system here, where only our user comes. */
export type Forwards = {
  /** @returns the path of a socket that leads to it; whether somebody answers there is seen when it is used */
  route(host: string, port: number): Promise<Result<string, string>>;
  /** Whether somebody answers at the end of the connection itself. */
  isOpen(): Promise<boolean>;
  /** Undoes what would outlive us. */
  close(): Promise<void>;
};

type Forward = { readonly spec: string; readonly made: Promise<Result<string, string>> };

/**
 * @param runner over the same connection
 * @param limit sockets at a time; the one that was not used for longest is given up for another
 */
export function createForwards(connection: SshConnection, runner: Runner, limit = 256): Forwards {
  let over: Through | undefined;
  let count = 0;
  /** By address, the last used last. */
  const forwards = new Map<string, Forward>();
  let asking: Promise<boolean> | undefined;

  return {
    async route(host, port) {
      const through = await connection.ready();
      if (!through.ok) return through;
      // A new connection has none of the old one's.
      if (over !== through.value) forwards.clear();
      over = through.value;
      const address = host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
      const known = forwards.get(address);
      if (known) {
        forwards.delete(address);
        forwards.set(address, known);
        return known.made;
      }
      await makeRoom(through.value);
      count += 1;
      const path = join(await connection.directory(), `f${count}`);
      const spec = `${path}:${address}`;
      const made = connection
        .control(through.value, ['-O', 'forward', '-L', spec])
        .then((done) => (done.ok ? ok(path) : err(`${connection.host} forwards no port: ${done.error}`)));
      forwards.set(address, { spec, made });
      const answer = await made;
      if (!answer.ok) forwards.delete(address);
      return answer;
    },
    isOpen() {
      asking ??= runner
        .run({ program: 'vllm_clock', args: [], isTheirs: true })
        .then(wentWell)
        .finally(() => {
          asking = undefined;
        });
      return asking;
    },
    async close() {
      if (!over || over.isOurs || over.hasEnded()) return;
      for (const { spec } of forwards.values()) await connection.control(over, ['-O', 'cancel', '-L', spec]);
      forwards.clear();
    },
  };

  async function makeRoom(through: Through): Promise<void> {
    const [oldest] = forwards;
    if (forwards.size < limit || !oldest) return;
    const [address, { spec }] = oldest;
    forwards.delete(address);
    await connection.control(through, ['-O', 'cancel', '-L', spec]);
  }
}
