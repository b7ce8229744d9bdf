import { readableEnd } from '../probe/log-tail.ts';
import { err, ok, type Result } from '../result.ts';
import { describeRun } from '../slurm/cli/outcome.ts';
import { type Ran, type Runner, wentWell } from '../slurm/cli/run.ts';

/** Logs over there, by `config/ssh/far-shell.sh`. What it reads comes in base64: bytes, of which characters may be cut. */
export type FarLogs = {
  /** As `readLogTail`. */
  tail(path: string, maxBytes: number, secrets?: Iterable<string>): Promise<string | undefined>;
  /** An error in words when it cannot be made. */
  makeDirectory(directory: string): Promise<string | undefined>;
  /** What can be done with it; an error in words when nobody could look. */
  lookAt(directory: string): Promise<Result<'writable' | 'absent' | 'unusable', string>>;
  /** Of what `doctor` left there. */
  remove(path: string): Promise<void>;
  names(directory: string, prefix: string): Promise<readonly string[]>;
  open(path: string): Promise<FarLog>;
};

export type FarLog = {
  size(): Promise<number>;
  read(offset: number, bytes: number): Promise<Uint8Array>;
  close(): Promise<void>;
};

export function createFarLogs(runner: Runner): FarLogs {
  const ask = (program: string, ...args: readonly string[]): Promise<Ran> =>
    runner.run({ program, args, isTheirs: true });
  async function answer(program: string, ...args: readonly string[]): Promise<string> {
    const ran = await ask(program, ...args);
    if (!wentWell(ran)) throw new Error(describeRun(ran));
    return ran.stdout;
  }

  return {
    async tail(path, maxBytes, secrets = []) {
      const ran = await ask('vllm_log_tail', path, String(maxBytes));
      if (!wentWell(ran)) return undefined;
      const bytes = Buffer.from(ran.stdout, 'base64');
      return readableEnd(bytes, bytes.length >= maxBytes, secrets);
    },
    async makeDirectory(directory) {
      const ran = await ask('vllm_make_logs', directory);
      return wentWell(ran) ? undefined : describeRun(ran);
    },
    async lookAt(directory) {
      const ran = await ask('vllm_look_at_logs', directory);
      const word = wentWell(ran) ? WORDS.find((one) => one === ran.stdout.trim()) : undefined;
      return word === undefined ? err(describeRun(ran)) : ok(word);
    },
    async remove(path) {
      await ask('vllm_log_remove', path);
    },
    names: async (directory, prefix) => (await answer('vllm_log_names', directory, prefix)).split('\n').filter(Boolean),
    open: async (path) => ({
      size: async () => Number((await answer('vllm_log_size', path)).trim()),
      read: async (offset, bytes) =>
        Buffer.from(await answer('vllm_log_piece', path, String(offset), String(bytes)), 'base64'),
      close: async () => undefined,
    }),
  };
}

const WORDS = ['writable', 'absent', 'unusable'] as const;
