import { homedir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';

/** Real Apptainer, and an image whose `vllm` is the stand-in that is mounted at `/opt`. */
export type RealApptainer = {
  /** Where `apptainer` is. */
  readonly bin: string;
  /** A folder. */
  readonly image: string;
  /** Everything of it, for hosts on which only what is named can be reached. */
  readonly path: string;
};

const INSTALL_SH = fileURLToPath(new URL('./install.sh', import.meta.url));
/** Of a download of a base system. */
const DEADLINE_MS = 900_000;

/**
 * Debian has it in unstable alone, which is another one every day.
 * @returns or why it cannot be had today
 */
export async function tryApptainer(): Promise<RealApptainer | string> {
  try {
    return await prepareApptainer();
  } catch (error) {
    return `Debian's unstable does not give Apptainer today: ${(error as Error).message.slice(-500)}`;
  }
}

/** Makes what is absent, in `$XDG_CACHE_HOME/vllm-slurm-operator`, outside of any checkout and kept for the next run. */
async function prepareApptainer(): Promise<RealApptainer> {
  const cache = join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'vllm-slurm-operator');
  const { stdout: path } = await execa(INSTALL_SH, [cache], {
    timeout: DEADLINE_MS,
    stdin: 'ignore',
    stderr: 'inherit',
  });
  return { bin: join(path, 'usr', 'bin'), image: join(path, 'image'), path };
}
