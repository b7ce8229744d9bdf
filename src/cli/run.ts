import { Command } from 'commander';
import { type Cli, examples } from './cli.ts';
import { withSettings } from './global-options.ts';

export function runCommand(cli: Cli): Command {
  const command = new Command('run')
    .description('work on the directory until Ctrl-C: submit, watch, resubmit, cancel; jobs live on when it ends')
    .action(async (_options: object, self: Command) =>
      cli.exit(
        await withSettings(cli, self, async (loaded) => {
          // Loaded only here: the other commands answer in half the time without it.
          const { runOperator } = await import('./operator.ts');
          return runOperator(cli, loaded);
        }),
      ),
    );
  return examples(command, [
    ['vllm-slurm run -d ./deployments', 'SLURM if sbatch is found, else this machine'],
    ['vllm-slurm run --cluster local --set local.gpus=2', 'jobs are processes of this machine'],
    ['vllm-slurm run --set cluster.commandPrefix=ssh,login1', 'a cluster reached over ssh'],
  ]);
}
