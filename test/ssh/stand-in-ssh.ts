import { readFileSync } from 'node:fs';
import type { TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { systemClock } from '../../src/clock.ts';
import { createSlurmCli } from '../../src/slurm/cli/cli.ts';
import { createSshConnection } from '../../src/ssh/connection.ts';
import { createFarRunner } from '../../src/ssh/far-runner.ts';
import { standInPrograms } from '../slurm/cli/programs.ts';

/** Without sshd: a stand-in for `ssh` that has a shell here read the last of its words. */

const FAR_SHELL = readFileSync(fileURLToPath(new URL('../../config/ssh/far-shell.sh', import.meta.url)), 'utf8');
/** Notes how it was called; no connection is open already. */
export const SSH = `
echo "$*" | head -1 >>$HERE/calls
for word in "$@"; do [ "$word" = -O ] && exit 255; last=$word; done
echo $$ >>$HERE/sessions`;

export async function standInSsh(t: TestContext, ssh: string, timeoutMs = 20_000) {
  const programs = await standInPrograms(t);
  const program = await programs.write('ssh', ssh);
  const environment = { PATH: process.env.PATH ?? '' };
  const connection = createSshConnection({
    host: 'login1',
    options: ['Port=2222'],
    environment,
    farShell: FAR_SHELL,
    connectMs: timeoutMs / 2,
    program,
  });
  const runner = createFarRunner({
    connection,
    clock: systemClock,
    binDirectory: `${programs.directory}/bin`,
    timeoutMs,
    maxOutputBytes: 1_000_000,
    environment,
  });
  t.after(async () => {
    await runner.close();
    await connection.close();
  });
  const lines = async (file: string) => (await programs.read(file)).split('\n').filter(Boolean);
  return { programs, runner, slurm: createSlurmCli({ cluster: 'far', clock: systemClock, runner }), lines };
}
