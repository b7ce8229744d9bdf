import { access, chmod, mkdir, readdir, realpath, rename, rm } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';

/** Real vLLM, for CPUs, and a model small enough for tests. */
export type RealVllm = {
  /** A virtual environment: `bin/vllm`, `bin/torchrun`. */
  readonly venv: string;
  readonly model: string;
  /** Everything the two are made of, for hosts on which only what is named can be reached. */
  readonly paths: readonly string[];
};

const INSTALL_SH = fileURLToPath(new URL('./install.sh', import.meta.url));
const MAKE_TINY_MODEL_PY = fileURLToPath(new URL('./make-tiny-model.py', import.meta.url));
/** What `install.sh` leaves of the version it makes by default. */
const FINISHED = 'vllm-0.32.0/.finished';
/** Of a download of several gigabytes. */
const DEADLINE_MS = 1_800_000;

/**
 * Makes what is absent, in `$XDG_CACHE_HOME/vllm-slurm-operator`, outside of any checkout and kept for the next run.
 * @param say is told what takes long
 */
export async function prepareVllm(say: (line: string) => void): Promise<RealVllm> {
  const cache = join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'vllm-slurm-operator');
  const startMs = performance.now();
  const took = (): string => `${Math.round((performance.now() - startMs) / 1000)} s`;
  const found = await exists(join(cache, FINISHED));
  if (!found) say(`vLLM for CPUs is made in ${cache}: gigabytes are downloaded, once`);
  const { stdout: venv } = await execa(INSTALL_SH, [cache], {
    timeout: DEADLINE_MS,
    stdin: 'ignore',
    stderr: 'inherit',
  });
  if (!found) say(`vLLM is there, after ${took()}`);
  const model = join(cache, 'tiny-model');
  if (!(await exists(model))) {
    await makeModel(venv, model);
    say(`the tiny model is there, after ${took()}`);
  }
  await Promise.all((await readdir(model)).map((file) => chmod(join(model, file), 0o644)));
  const python = await realpath(join(venv, 'bin', 'python'));
  return { venv, model, paths: [venv, model, dirname(dirname(python))] };
}

/** Aside first: a folder of that name is a whole model. */
async function makeModel(venv: string, model: string): Promise<void> {
  const unfinished = `${model}.${process.pid}`;
  await mkdir(unfinished, { recursive: true });
  try {
    await execa(join(venv, 'bin', 'python'), [MAKE_TINY_MODEL_PY, unfinished], { timeout: 300_000, stdin: 'ignore' });
    await rename(unfinished, model);
  } finally {
    await rm(unfinished, { recursive: true, force: true });
  }
}

const exists = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  );

if (import.meta.main) console.log(await prepareVllm((line) => console.error(line)));
