import { Command } from 'commander';
import { eachCluster, type Settings } from '../config.ts';
import { parseFailpoint } from '../controller/failpoints.ts';
import { createLog } from '../telemetry/log.ts';
import { type Cli, EXIT, examples, fail, wantsColour } from './cli.ts';
import { chooseCluster } from './cluster.ts';
import { dyingAt } from './failpoint.ts';
import { type Loaded, type SettingFlag, withSettings } from './global-options.ts';
import { createKnownSecrets } from './known-secrets.ts';
import { closeClusters, openClusters } from './open-clusters.ts';
import { startOperator } from './operator.ts';
import { packageVersion } from './package.ts';
import { FAILPOINT_VARIABLE } from './settings/layers.ts';

/** As controllers of Kubernetes spell them. */
const FLAGS: readonly SettingFlag[] = [
  {
    option: 'kubernetes',
    flag: '--kubernetes',
    path: 'store',
    text: 'work on resources of a Kubernetes API server instead of a directory',
    bare: 'kubernetes',
  },
  {
    option: 'kubeconfig',
    flag: '--kubeconfig <file>',
    path: 'kubernetes.kubeconfig',
    text: 'whom to be there; default: KUBECONFIG, this pod, ~/.kube/config',
  },
  {
    option: 'watchNamespace',
    flag: '--watch-namespace <names>',
    path: 'kubernetes.watchNamespaces',
    text: 'namespaces to look after, separated by commas; default: all',
  },
  {
    option: 'leaderElect',
    flag: '--leader-elect [bool]',
    path: 'kubernetes.leaderElect',
    text: 'act only while holding the lease; default: true',
    bare: 'true',
  },
  {
    option: 'metricsBindAddress',
    flag: '--metrics-bind-address <address>',
    path: 'metricsBindAddress',
    text: 'where /metrics answers, such as :8080; 0: nowhere',
  },
  {
    option: 'healthProbeBindAddress',
    flag: '--health-probe-bind-address <address>',
    path: 'healthProbeBindAddress',
    text: 'where /healthz and /readyz answer, such as :8081; 0: nowhere',
  },
];

export function runCommand(cli: Cli): Command {
  const command = new Command('run')
    .description(
      'work on the directory, or on Kubernetes, until Ctrl-C: submit, watch, resubmit, cancel; jobs live on when it ends',
    )
    .action(async (_options: object, self: Command) =>
      cli.exit(await withSettings(cli, self, (loaded) => run(cli, loaded), FLAGS)),
    );
  for (const { flag, text } of FLAGS) command.option(flag, text);
  return examples(command, [
    ['vllm-slurm run -d ./deployments', 'SLURM if sbatch is found, else this machine'],
    ['vllm-slurm run --cluster local --set local.gpus=2', 'jobs are processes of this machine'],
    ['vllm-slurm run --set cluster.ssh.host=login1', 'a cluster behind ssh'],
    ['vllm-slurm run --kubernetes', 'resources of the Kubernetes API, kubectl in place of the commands here'],
  ]);
}

/** Where deployments may be: how that is told, and who works on it. */
const PLACES = {
  directory: { place: ({ directory }: Settings) => ({ directory }), start: startOperator },
  kubernetes: {
    place: ({ kubernetes }: Settings) => ({ namespaces: namespacesInWords(kubernetes.watchNamespaces) }),
    // Loaded when it is wanted: the client takes longer to load than most commands take as a whole.
    start: async (...about: Parameters<typeof startOperator>) =>
      (await import('./kubernetes-operator.ts')).startKubernetesOperator(...about),
  },
} as const;

function namespacesInWords(names: readonly string[]): string {
  return names.length === 0 ? 'every namespace' : `namespaces ${names.join(' and ')}`;
}

function clustersInWords(cli: Cli, settings: Settings): string {
  const each = eachCluster(settings).map((its) => {
    const { type, why } = chooseCluster(its, cli);
    return `cluster ${its.cluster.name ?? type} (${type}: ${why})`;
  });
  return each.join(', ');
}

async function run(cli: Cli, loaded: Loaded): Promise<number> {
  const { settings, files, secrets, catalog } = loaded;
  const dieAt = cli.environment[FAILPOINT_VARIABLE];
  const failpoint = dieAt === undefined ? undefined : parseFailpoint(dieAt);
  if (dieAt !== undefined && !failpoint)
    return fail(cli, `${FAILPOINT_VARIABLE}: ${dieAt} is no failpoint`, EXIT.usage);
  const known = createKnownSecrets(secrets);
  const log = createLog({
    ...settings.log,
    stream: cli.stderr,
    isTerminal: cli.stderr.isTTY === true,
    colour: wantsColour(cli, cli.stderr),
    secrets: known,
  });
  const { place, start } = PLACES[settings.store];
  log.info(
    { version: packageVersion(), logs: settings.logDirectory, settings: files, ...place(settings) },
    `working on ${Object.values(place(settings)).join(', ')}, ${clustersInWords(cli, settings)}`,
  );
  for (const problem of catalog.broken.values()) log.warn(`a preset cannot be used: ${problem}`);
  const clusters = await openClusters(cli, settings);
  if (!clusters.ok) return fail(cli, clusters.error);
  const operator = await start(cli, loaded, log, clusters.value, known, (deps) =>
    failpoint ? dyingAt(deps, failpoint) : deps,
  );
  if (!operator.ok) {
    await closeClusters(clusters.value);
    return fail(cli, operator.error);
  }
  await interrupted(cli.interrupted);
  log.info('stopping; jobs live on');
  await operator.value.stop();
  await closeClusters(clusters.value);
  return EXIT.ok;
}

export function interrupted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
}
