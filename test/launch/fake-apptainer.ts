import { chmod, mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { standIn } from './compute-node.ts';

/**
 * An `apptainer` that keeps what it is told and "contains" by PATH alone: an image is a folder with a `bin`. What it pulls
 * is a file that names the folder. `KEPT` gets the words of each call, a line each.
 */
export function fakeApptainer(kept: string, pulled = '/nonexistent'): string {
  return `#!/bin/bash
printf '<%s>' "$@" >>'${kept}' && echo >>'${kept}'
if [ "$1" = pull ]; then
  [ -d '${pulled}' ] || { echo 'FATAL:   connection refused' >&2; exit 255; }
  echo '${pulled}' >"$2"
  exit
fi
shift
while [[ $1 == --* ]]; do [ "$1" != --bind ] || shift; shift; done
image=$1
shift
[ -d "$image" ] || image=$(<"$image")
[ -x "$image/bin/bash" ] || { echo "FATAL:   \\"$1\\": executable file not found in \\$PATH" >&2; exit 255; }
PATH=$image/bin:/usr/bin:/bin exec "$@"
`;
}

/** An image in which `vllm` is the stand-in, and torchrun starts what it is given at once. */
export async function makeImage(
  directory: string,
  programs: readonly string[] = ['vllm', 'torchrun'],
): Promise<string> {
  const bin = path.join(directory, 'bin');
  await mkdir(bin, { recursive: true });
  const texts: Readonly<Record<string, string>> = {
    vllm: `exec ${standIn.join(' ')} "$@"`,
    torchrun: 'while [ "$1" != --no-python ]; do shift; done\nshift\nexec "$@"',
    bash: 'exec /bin/bash "$@"',
  };
  for (const name of [...programs, 'bash']) {
    await writeFile(path.join(bin, name), `#!/bin/bash\n${texts[name]}\n`);
    await chmod(path.join(bin, name), 0o755);
  }
  return directory;
}
