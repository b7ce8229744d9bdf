import { Command } from 'commander';
import { type Cli, EXIT, examples, fail, print, wholeNumber } from './cli.ts';
import { kindAndName, namespaceOption, withDeployment } from './deployments.ts';

type ScaleOptions = { readonly replicas: number; readonly namespace: string };

export function scaleCommand(cli: Cli): Command {
  const command = new Command('scale')
    .description("set the number of replicas, in the deployment's own file")
    .argument('<name>')
    .requiredOption('--replicas <n>', 'how many to serve; 0 ends them all', wholeNumber(0))
    .addOption(namespaceOption())
    .action(async (name: string, { replicas, namespace }: ScaleOptions, self: Command) =>
      cli.exit(
        await withDeployment(cli, self, { namespace, name }, async ({ key }, deployments) => {
          const written = await deployments.setReplicas(key, replicas);
          if (!written.ok) return fail(cli, written.error.message);
          print(cli, `${kindAndName(name)} scaled`);
          return EXIT.ok;
        }),
      ),
    );
  return examples(command, [
    ['vllm-slurm scale qwen --replicas 3', 'comments and layout of the file stay'],
    ['vllm-slurm scale qwen --replicas 0', 'no jobs, but the deployment stays'],
  ]);
}
