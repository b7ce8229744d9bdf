import { Agent, buildConnector } from 'undici';
import type { Result } from '../result.ts';

/** A way to endpoints that are not reached straight from here. */
export type Way = {
  /** @returns the path of a socket of the file system that leads there */
  route(host: string, port: number): Promise<Result<string, string>>;
  /** Whether the way itself is open, whoever answers at its end. */
  isOpen(): Promise<boolean>;
};

/** @param way undefined: straight to the host */
export function agentOver(way: Way | undefined, options: Agent.Options = {}): Agent {
  if (way === undefined) return new Agent(options);
  return new Agent({
    ...options,
    connect(target, told) {
      const port = Number(target.port) || (target.protocol === 'https:' ? 443 : 80);
      const host = target.hostname.replace(/^\[|\]$/g, '');
      void way.route(host, port).then(
        (routed) =>
          routed.ok ? buildConnector({ socketPath: routed.value })(target, told) : told(new Error(routed.error), null),
        (error: Error) => told(error, null),
      );
    },
  });
}
