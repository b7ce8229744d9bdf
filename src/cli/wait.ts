import { Command, InvalidArgumentError } from 'commander';
import { PLURAL } from '../api/crd.ts';
import type { Key } from '../api/key.ts';
import type { Resource } from '../api/resource.ts';
import { assertNever } from '../result.ts';
import type { StoreError } from '../store/store.ts';
import { type Cli, EXIT, examples, fail, pause, print } from './cli.ts';
import { type Deployments, kindAndName, namespaceOption, notFound, withDeployments } from './deployments.ts';
import { parseSpan } from './spans.ts';

export type Goal =
  | { readonly kind: 'condition'; readonly type: string; readonly status: string }
  | { readonly kind: 'delete' };
type WaitOptions = { readonly for: Goal; readonly timeout?: number; readonly namespace: string };

/** Between two looks, ms. */
const PERIOD_MS = 500;
/** kubectl's. */
const DEFAULT_TIMEOUT_MS = 30_000;

export function waitCommand(cli: Cli): Command {
  const command = new Command('wait')
    .description('wait until a condition holds or a deployment is gone')
    .argument('<name>')
    .requiredOption('--for <goal>', 'condition=TYPE, condition=TYPE=STATUS, or delete', parseGoal)
    .option('--timeout <span>', 'give up after this long; 0 looks once (default: 30s)', parseSpan)
    .addOption(namespaceOption())
    .action(async (name: string, options: WaitOptions, self: Command) =>
      cli.exit(
        await withDeployments(cli, self, async (deployments) => {
          const key = { namespace: options.namespace, name };
          const end = await waitFor(cli, deployments, key, options.for, options.timeout ?? DEFAULT_TIMEOUT_MS);
          if (end.kind !== 'met') return tellUnmet(cli, deployments, key, end);
          print(cli, `${kindAndName(name)} condition met`);
          return EXIT.ok;
        }),
      ),
    );
  return examples(command, [
    ['vllm-slurm wait qwen --for=condition=Ready --timeout 15m', 'until it answers'],
    ['vllm-slurm wait qwen --for=condition=Ready=False', 'until it no longer does'],
    ['vllm-slurm wait qwen --for=delete --timeout 2m', 'until no job of it is left'],
  ]);
}

type Unmet =
  | { readonly kind: 'timedOut'; readonly last: Resource | undefined }
  | { readonly kind: 'notFound' }
  | { readonly kind: 'unreadable'; readonly error: StoreError }
  | { readonly kind: 'interrupted' };

/** Looks at least once, also when there is no time left. */
export async function waitFor(
  cli: Cli,
  deployments: Deployments,
  key: Key,
  goal: Goal,
  timeoutMs: number,
): Promise<{ readonly kind: 'met' } | Unmet> {
  const endMs = cli.clock.now() + timeoutMs;
  for (;;) {
    const got = await deployments.get(key);
    if (!got.ok) return { kind: 'unreadable', error: got.error };
    const resource = got.value;
    if (!resource && goal.kind !== 'delete') return { kind: 'notFound' };
    if (isReached(goal, resource)) return { kind: 'met' };
    const leftMs = endMs - cli.clock.now();
    if (leftMs <= 0) return { kind: 'timedOut', last: resource };
    if (!(await pause(cli, Math.min(PERIOD_MS, leftMs)))) return { kind: 'interrupted' };
  }
}

/** @returns the exit code */
export async function tellUnmet(cli: Cli, deployments: Deployments, key: Key, unmet: Unmet): Promise<number> {
  switch (unmet.kind) {
    case 'timedOut':
      return fail(cli, `timed out waiting for the condition on ${PLURAL}/${key.name}${stateWords(unmet.last)}`);
    case 'notFound':
      return notFound(cli, key, await others(deployments));
    case 'unreadable':
      return deployments.unreadable(unmet.error);
    case 'interrupted':
      return EXIT.interrupted;
    default:
      return assertNever(unmet);
  }
}

async function others(deployments: Deployments): Promise<readonly Resource[]> {
  const all = await deployments.list();
  return all.ok ? all.value : [];
}

/** A condition of an older generation tells nothing of the present one. Source: kubectl wait */
function isReached(goal: Goal, resource: Resource | undefined): boolean {
  if (goal.kind === 'delete') return resource === undefined;
  const condition = resource?.status.conditions?.find(({ type }) => type.toLowerCase() === goal.type.toLowerCase());
  if (!resource || !condition) return false;
  if ((condition.observedGeneration ?? resource.generation) < resource.generation) return false;
  return condition.status.toLowerCase() === goal.status.toLowerCase();
}

function stateWords(resource: Resource | undefined): string {
  const ready = resource?.status.conditions?.find(({ type }) => type === 'Ready');
  return ready ? `: Ready is ${ready.status}, ${ready.reason}: ${ready.message}` : '';
}

function parseGoal(text: string): Goal {
  if (text === 'delete') return { kind: 'delete' };
  const match = /^condition=([A-Za-z]+)(?:=(true|false|unknown))?$/i.exec(text);
  if (!match) throw new InvalidArgumentError('Must be condition=TYPE, condition=TYPE=STATUS or delete.');
  return { kind: 'condition', type: match[1] ?? '', status: match[2] ?? 'true' };
}
