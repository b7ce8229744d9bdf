import { err, ok, type Result } from '../result.ts';
import type { SecretFiles } from '../secrets/secrets.ts';
import { describeRun } from '../slurm/cli/outcome.ts';
import { type Ran, type Runner, wentWell } from '../slurm/cli/run.ts';

export type FarSecretsOptions = {
  readonly runner: Runner;
  /** Over there, on a file system the compute nodes share; made when the first secret is placed. */
  readonly directory: string;
  /** The store's id; names the directory within. */
  readonly owner: string;
};

/** `vllm_secret_read` of `config/ssh/far-shell.sh`: there is none. */
const NONE = 44;

/**
 * 0600 files in a 0700 directory over there. A secret goes through stdin alone, and no message holds what a command
 * printed to stdout. What was read or written is remembered: an endpoint is asked many times with the key in it.
 */
export function createFarSecrets({ runner, directory, owner }: FarSecretsOptions): SecretFiles {
  const known = new Map<string, string>();
  const run = (program: string, args: readonly string[], stdin?: string): Promise<Ran> =>
    runner.run({
      program,
      args: [directory, owner, ...args],
      isTheirs: true,
      ...(stdin !== undefined && { stdin }),
    });
  const failed = (ran: Ran) => err(`${directory}: ${describeRun(ran)}`);

  return {
    async write(name, secret) {
      known.delete(name);
      const ran = await run('vllm_secret_write', [name], `${secret}\n`);
      if (!wentWell(ran)) return failed(ran);
      known.set(name, secret);
      return ok(undefined);
    },
    async read(name): Promise<Result<string | undefined, string>> {
      const remembered = known.get(name);
      if (remembered !== undefined) return ok(remembered);
      const ran = await run('vllm_secret_read', [name]);
      if (ran.end.how === 'exited' && ran.end.code === NONE) return ok(undefined);
      if (!wentWell(ran)) return failed(ran);
      const [secret = ''] = ran.stdout.split('\n', 1);
      known.set(name, secret);
      return ok(secret);
    },
    async names() {
      const ran = await run('vllm_secret_names', []);
      return wentWell(ran) ? ok(ran.stdout.split('\n').filter(Boolean)) : failed(ran);
    },
    async remove(name) {
      known.delete(name);
      const ran = await run('vllm_secret_remove', [name]);
      return wentWell(ran) ? ok(undefined) : failed(ran);
    },
  };
}
