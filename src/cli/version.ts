import { Command } from 'commander';
import { type Cli, EXIT, print } from './cli.ts';
import { packageVersion } from './package.ts';

export function versionCommand(cli: Cli): Command {
  return new Command('version').description('print the version').action(() => {
    print(cli, `vllm-slurm ${packageVersion()} (node ${process.versions.node})`);
    cli.exit(EXIT.ok);
  });
}
