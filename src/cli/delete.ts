import { Command } from 'commander';
import { SINGULAR } from '../api/crd.ts';
import { GROUP } from '../api/resource.ts';
import { type Cli, EXIT, examples, fail, print, say } from './cli.ts';
import { namespaceOption, withDeployment } from './deployments.ts';
import { parseSpan } from './spans.ts';
import { tellUnmet, waitFor } from './wait.ts';

type DeleteOptions = { readonly namespace: string; readonly wait?: true; readonly timeout?: number };

const DEFAULT_TIMEOUT_MS = 120_000;

export function deleteCommand(cli: Cli): Command {
  const command = new Command('delete')
    .description('remove a deployment from its file; the operator then cancels its jobs')
    .argument('<name>')
    .option('--wait', 'until no job of it is left')
    .option('--timeout <span>', 'of --wait (default: 2m)', parseSpan)
    .addOption(namespaceOption())
    .action(async (name: string, options: DeleteOptions, self: Command) =>
      cli.exit(
        await withDeployment(cli, self, { namespace: options.namespace, name }, async ({ key }, deployments) => {
          const removed = await deployments.remove(key);
          if (!removed.ok) return fail(cli, removed.error.message);
          print(cli, `${SINGULAR}.${GROUP} "${name}" deleted`);
          if (!options.wait) return EXIT.ok;
          const end = await waitFor(cli, deployments, key, { kind: 'delete' }, options.timeout ?? DEFAULT_TIMEOUT_MS);
          if (end.kind === 'met') return EXIT.ok;
          if (end.kind === 'timedOut') say(cli, 'the operator cancels the jobs: is one running on this directory?');
          return tellUnmet(cli, deployments, key, end);
        }),
      ),
    );
  return examples(command, [
    ['vllm-slurm delete qwen', 'returns at once'],
    ['vllm-slurm delete qwen --wait', 'returns when its jobs are gone'],
  ]);
}
