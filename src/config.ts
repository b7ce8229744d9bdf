import path from 'node:path';
import { z } from 'zod';
import type { Catalog } from './api/catalog.ts';
import { DEFAULT_POLICY, type Policy } from './decide/policy.ts';
import { parsePortRange } from './launch/ports.ts';
import type { Site } from './launch/site.ts';
import { parseSlurmTime } from './slurm/duration.ts';

/**
 * Every setting of the operator. `config/operator.yaml` and `docs/reference/settings.md` are made from this.
 * Which value wins, and how a wrong one is told, is in `cli/settings/`.
 */

/** A path on this machine: `~/` and a leading `$XDG_STATE_HOME` or `$XDG_CONFIG_HOME` are filled in. */
const localPath = () => z.string().min(1).max(4096);
const seconds = (min: number, max: number) => z.int().min(min).max(max);
/** One word of an sbatch option. */
const word = () =>
  z
    .string()
    .max(128)
    .regex(/^[A-Za-z0-9_.:@%+=/-]+$/, 'must be one word of letters, digits and _.:@%+=/-');

const dnsLabel = () =>
  z.string().regex(/^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/, 'must be at most 63 lower-case letters, digits and -');
const bindAddress = () =>
  z.string().regex(/^(0|(\[[0-9a-fA-F:]+\]|[^:[\]\s]*):\d{1,5})$/, 'must be HOST:PORT, :PORT, or 0 for none');

const BAD_RANGE = 'must lie within 1024-65535, the low end first';
const portRangeText = () => z.string().regex(/^\d{4,5}-\d{4,5}$/, 'must be LOW-HIGH, such as 20000-30000');
const slurmCalls = () => z.int().min(1).max(64);

/** How one cluster is reached: the same words for the only one and for each of several. */
const CLUSTER = {
  type: z
    .enum(['auto', 'slurm', 'rest', 'local'])
    .default('auto')
    .describe(
      '`slurm`: by its commands. `rest`: by slurmrestd. `local`: jobs are processes of this machine. `auto`: `slurm` if sbatch is found, else `local`.',
    ),
  name: word()
    .optional()
    .meta({ examples: ['alps'] })
    .describe('What people call the cluster. Default: the type.'),
  commandPrefix: z
    .array(z.string().min(1))
    .max(32)
    .default([])
    .describe('Put before every SLURM command, to reach a cluster from elsewhere. By ssh rather `cluster.ssh`.'),
  ssh: z
    .strictObject({
      host: z
        .string()
        .max(255)
        .regex(/^[A-Za-z0-9_[][A-Za-z0-9_.@%:+[\]-]*$/, 'must be a host name, a name of ~/.ssh/config, or USER@HOST')
        .optional()
        .meta({ examples: ['login1'] })
        .describe('Where SLURM’s commands run: a name of `~/.ssh/config`, or `USER@HOST`. Default: here.'),
      configFile: localPath()
        .optional()
        .meta({ examples: ['~/.ssh/cluster.conf'] })
        .describe('In place of `~/.ssh/config`.'),
      options: z
        .array(
          z
            .string()
            .max(1024)
            .regex(/^[A-Za-z0-9]+=[^\n\r]+$/, 'must be NAME=VALUE, as of ssh -o'),
        )
        .max(32)
        .default([])
        .meta({ examples: [['IdentityFile=~/.ssh/vllm-slurm']] })
        .describe('Options of ssh, before those of its configuration. Host keys are checked whatever they say.'),
      files: z
        .boolean()
        .default(true)
        .describe(
          'Whether `logDirectory` and `secretDirectory` are over there, and read and written through the connection. Switched off: on a file system that is here too.',
        ),
      endpoints: z
        .boolean()
        .default(true)
        .describe(
          'Whether endpoints are asked through the connection, by port forwarding. Switched off: compute nodes are reached from here.',
        ),
    })
    .prefault({})
    .describe('The cluster behind one ssh connection that stands (docs/how-to/ssh.md).'),
  binDirectory: z
    .string()
    .min(1)
    .optional()
    .meta({ examples: ['/opt/slurm/bin'] })
    .describe('Where sbatch, squeue and the others are. Default: PATH.'),
  timeoutSeconds: seconds(5, 600)
    .default(30)
    .describe(
      'For one SLURM command; longer than MessageTimeout in slurm.conf (10), or answers are given up too early.',
    ),
  rest: z
    .strictObject({
      url: z
        .url({ protocol: /^https?$/ })
        .optional()
        .meta({ examples: ['https://slurm.example.org:6820'] })
        .describe('Where slurmrestd answers; without a path. `https` or a tunnel: the token is sent with each call.'),
      socket: localPath()
        .optional()
        .meta({ examples: ['/run/slurmrestd.socket'] })
        .describe('Its unix socket, in place of `url`.'),
      tokenFile: localPath()
        .optional()
        .meta({ examples: ['/run/secrets/slurm/token'] })
        .describe(
          'What `scontrol token` printed, of the user whose jobs they shall be; read again when it changes. None: slurmrestd knows us by its socket (`rest_auth/local`).',
        ),
      caFile: localPath()
        .optional()
        .meta({ examples: ['/etc/ssl/slurm-ca.pem'] })
        .describe('Authorities, PEM, that its certificate may come from. Default: those Node.js knows.'),
      user: word()
        .optional()
        .meta({ examples: ['vllm'] })
        .describe('Whose jobs they are. Default: whom the token names, else who runs the operator.'),
      allowPrivilegedToken: z
        .boolean()
        .default(false)
        .describe('Lets the token be one of root or of SLURM’s own user, which can end everybody’s jobs.'),
      namespaceCredentials: z
        .strictObject({
          secretName: z
            .string()
            .max(253)
            .regex(/^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/, 'must be the name of a Secret')
            .optional()
            .meta({ examples: ['slurm-credentials'] })
            .describe(
              'The Secret in each namespace that has what `scontrol token` printed as `token`, and, where that does not say whose it is, a `user`. None: all jobs are the operator’s own.',
            ),
          required: z
            .boolean()
            .default(true)
            .describe(
              'Whether nothing is submitted for a namespace without it. Switched off, its jobs are the operator’s own.',
            ),
        })
        .prefault({})
        .describe(
          'With Kubernetes, jobs of a namespace may be those of a SLURM user whose token it holds itself (docs/how-to/slurmrestd.md).',
        ),
    })
    .prefault({})
    .describe('slurmrestd, for `cluster.type: rest`.'),
};

const DEFAULTS = {
  account: word()
    .optional()
    .meta({ examples: ['my-project'] })
    .describe('`--account`.'),
  qos: word()
    .optional()
    .meta({ examples: ['normal'] })
    .describe('`--qos`.'),
  time: word()
    .refine(
      (text) => parseSlurmTime(text) !== undefined,
      'must be a SLURM time: minutes, HH:MM:SS, D-HH, D-HH:MM:SS or UNLIMITED',
    )
    .optional()
    .meta({ examples: ['12:00:00'] })
    .describe('`--time`.'),
  partitions: z.array(word()).max(16).default([]).describe("`--partition`. None: the cluster's own default."),
};

const HARDWARE = {
  gpuMemoryGiB: z
    .number()
    .positive()
    .max(10_000)
    .optional()
    .meta({ examples: [80] })
    .describe('Of one GPU, where `spec.resources.gpuType` does not say it.'),
  gpusPerNode: z
    .int()
    .min(0)
    .max(64)
    .optional()
    .meta({ examples: [4] })
    .describe('GPUs a node has at most.'),
  nodes: z
    .int()
    .min(1)
    .max(100_000)
    .optional()
    .meta({ examples: [16] })
    .describe('Nodes one job can have at most.'),
};

/** What a cluster says otherwise than the settings say for all; left out, theirs count. */
const ClusterOfSeveral = z.strictObject({
  ...CLUSTER,
  name: dnsLabel().describe(
    'By which deployments ask for it; it stands in their status, so it stays as it is while they have jobs.',
  ),
  defaults: z
    .strictObject({ ...DEFAULTS, partitions: DEFAULTS.partitions.unwrap().optional().describe('`--partition`.') })
    .optional()
    .describe('For its deployments, in place of `defaults`, field by field.'),
  hardware: z.strictObject(HARDWARE).optional().describe('Of its nodes, in place of `hardware`, field by field.'),
  portRange: portRangeText()
    .refine((text) => parsePortRange(text) !== undefined, BAD_RANGE)
    .optional()
    .describe('In place of `portRange`.'),
  logDirectory: localPath()
    .optional()
    .describe('In place of `logDirectory`, where its compute nodes share another file system.'),
  secretDirectory: localPath()
    .optional()
    .describe(
      'Its own: two clusters never share one. Default: `secretDirectory` for the first, a folder of its name in it for the others.',
    ),
  tickSeconds: seconds(1, 600).optional().describe('In place of `intervals.tickSeconds`.'),
  slurmCalls: slurmCalls().optional().describe('In place of `limits.slurmCalls`.'),
});

export const Settings = z
  .strictObject({
    store: z
      .enum(['directory', 'kubernetes'])
      .default('directory')
      .describe('Where deployments are: files of `directory`, or resources of a Kubernetes API server.'),
    directory: localPath()
      .default('$XDG_STATE_HOME/vllm-slurm/deployments')
      .describe('Where deployments are: every `*.yaml` in it, with a status file beside each.'),
    logDirectory: localPath()
      .default('$XDG_STATE_HOME/vllm-slurm/logs')
      .describe(
        'Where jobs write their logs, one file an attempt. On a cluster it must be on a file system the compute nodes share; with cluster.ssh.host it is a path over there.',
      ),
    catalogDirectory: localPath()
      .optional()
      .meta({ examples: ['/etc/vllm-slurm/catalog'] })
      .describe(
        'Presets of the site, one a file, beside those that come with the operator; a name that both have means the site’s. Read once, at the start.',
      ),
    secretDirectory: localPath()
      .default('$XDG_STATE_HOME/vllm-slurm/secrets')
      .describe(
        'Where tokens and API keys lie for the jobs, in files only this user can read, as long as their attempt lasts. On a cluster it must be on a file system the compute nodes share; with cluster.commandPrefix too, for the files are written here. With cluster.ssh.host it is a path over there.',
      ),
    portRange: portRangeText()
      .default('20000-30000')
      .transform((text, context) => {
        const range = parsePortRange(text);
        if (range) return range;
        context.addIssue(BAD_RANGE);
        return z.NEVER;
      })
      .describe('Ports an endpoint may use on a compute node when its deployment names none, `LOW-HIGH`.'),
    cluster: z.strictObject(CLUSTER).prefault({}).describe('Where jobs run.'),
    clusters: z
      .array(ClusterOfSeveral)
      .min(1)
      .max(32)
      .optional()
      .meta({
        examples: [
          [
            { name: 'alps', ssh: { host: 'alps' } },
            { name: 'jura', ssh: { host: 'jura' } },
          ],
        ],
      })
      .describe(
        'Several clusters, in place of `cluster`: a deployment names one in `spec.slurm.cluster`, else it is placed on the first. Each is what `cluster` is, with a name, and may say otherwise what is said for all.',
      ),
    local: z
      .strictObject({
        directory: localPath().default('$XDG_STATE_HOME/vllm-slurm/local').describe('Where its jobs are recorded.'),
        cpus: z
          .int()
          .min(1)
          .max(65_536)
          .optional()
          .meta({ examples: [16] })
          .describe('CPU slots it hands out. Default: those of this machine.'),
        gpus: z
          .int()
          .min(0)
          .max(1024)
          .default(4)
          .describe('GPU slots it hands out; they need not exist for the stand-in engine.'),
      })
      .prefault({})
      .describe('The embedded cluster, for `cluster.type: local`.'),
    defaults: z
      .strictObject(DEFAULTS)
      .prefault({})
      .describe('For deployments that leave the field of `spec.slurm` out.'),
    hardware: z
      .strictObject(HARDWARE)
      .prefault({})
      .describe('What the nodes have: a model that will not fit is warned of before it is submitted.'),
    kubernetes: z
      .strictObject({
        kubeconfig: localPath()
          .optional()
          .meta({ examples: ['~/.kube/config'] })
          .describe('Default: `KUBECONFIG`, else the service account of this pod, else `~/.kube/config`.'),
        context: z
          .string()
          .min(1)
          .max(253)
          .optional()
          .meta({ examples: ['prod'] })
          .describe('Of the kubeconfig. Default: its current one.'),
        watchNamespaces: z
          .array(dnsLabel())
          .max(256)
          .default([])
          .describe('Whose deployments are looked after. None: those of all namespaces.'),
        clusterId: dnsLabel()
          .optional()
          .meta({ examples: ['prod-eu-1'] })
          .describe(
            'Names the Kubernetes cluster in its jobs, for ever. Default: the uid of the namespace `kube-system`. Never change it while jobs live: they would be nobody’s.',
          ),
        leaderElect: z
          .boolean()
          .default(true)
          .describe('Of several operators one acts, the others stand by. Without it there must be only one.'),
        leaseNamespace: dnsLabel()
          .optional()
          .meta({ examples: ['vllm-slurm-system'] })
          .describe('Where the lease of the leader is. Default: the namespace of this pod, or of the context.'),
        leaseName: dnsLabel()
          .default('vllm-slurm-operator')
          .describe('One for all operators that look after the same deployments.'),
        tenancyFile: localPath()
          .optional()
          .meta({ examples: ['/etc/vllm-slurm/tenancy.yaml'] })
          .describe(
            'Rules by which namespaces may ask for accounts, partitions and the like (docs/how-to/kubernetes.md); read again when it changes. With it what no rule lists is refused. None: every namespace may ask for everything.',
          ),
        publishServices: z
          .boolean()
          .default(true)
          .describe(
            'Whether each deployment gets a Service of its own name whose endpoints are the nodes that serve it. Switched off, those that are there stay as they are.',
          ),
      })
      .prefault({})
      .describe('For `store: kubernetes`.'),
    metricsBindAddress: bindAddress()
      .optional()
      .meta({ examples: [':8080'] })
      .describe('Where Prometheus may ask (`/metrics`); `0`: nowhere. Default: `:8080` with Kubernetes, else nowhere.'),
    healthProbeBindAddress: bindAddress()
      .optional()
      .meta({ examples: [':8081'] })
      .describe('Where `/healthz` and `/readyz` answer; `0`: nowhere. Default: `:8081` with Kubernetes, else nowhere.'),
    intervals: z
      .strictObject({
        tickSeconds: seconds(1, 600).default(10).describe('Between two listings of the fleet: one squeue each.'),
        resyncSeconds: seconds(10, 86_400)
          .default(300)
          .describe('Every deployment is looked at again at least this often.'),
        rescanSeconds: seconds(1, 3600)
          .default(10)
          .describe('The directory is read again at least this often, for network file systems lose notices.'),
        sweepSeconds: seconds(10, 86_400)
          .default(60)
          .describe('Between two searches for jobs whose deployment is gone.'),
      })
      .prefault({})
      .describe('How often things are looked at.'),
    limits: z
      .strictObject({
        concurrency: z.int().min(1).max(256).default(8).describe('Deployments worked on at once.'),
        slurmCalls: slurmCalls()
          .default(4)
          .describe('Submissions and cancels at once; the controller of the cluster is shared with others.'),
        slurmCallsPerSecond: z
          .number()
          .min(0.1)
          .max(1000)
          .default(50)
          .describe(
            'Calls of SLURM over time, of every kind. Halved for each answer that takes a second, as those of a controller that limits its users do, and given back as it gets quick.',
          ),
        slurmBurst: z
          .int()
          .min(1)
          .max(100_000)
          .default(1000)
          .describe('Calls that may come at once after a rest, as when a whole fleet is submitted.'),
        maxLogBytes: z
          .int()
          .min(1024)
          .max(16_777_216)
          .default(65_536)
          .describe("Read from the end of a failed job's log."),
      })
      .prefault({})
      .describe('What the operator may use.'),
    doubtWindowSeconds: seconds(15, 3600)
      .default(60)
      .describe('How long a submission without an answer may still land; longer than cluster.timeoutSeconds.'),
    vanishedGraceSeconds: seconds(0, 86_400)
      .default(60)
      .describe('How long a job that neither the queue nor accounting knows is waited for before it counts as lost.'),
    queuedForeverGraceSeconds: seconds(0, 86_400)
      .default(60)
      .describe('How long a job may wait for a reason that never ends before its deployment is Stalled.'),
    suspectFraction: z
      .number()
      .gt(0)
      .max(1)
      .default(0.34)
      .describe(
        'When more of the fleet than this vanishes between two listings, the listing is doubted and nothing is concluded from it.',
      ),
    log: z
      .strictObject({
        level: z.enum(['trace', 'debug', 'info', 'warn', 'error', 'silent']).default('info').describe('What is told.'),
        format: z
          .enum(['auto', 'pretty', 'json'])
          .default('auto')
          .describe('`auto`: pretty on a terminal, JSON otherwise.'),
      })
      .prefault({})
      .describe('What the operator says, on stderr.'),
  })
  .superRefine(({ cluster, clusters, doubtWindowSeconds }, context) => {
    const each = clusters?.map((its, index) => ({ at: ['clusters', index], its })) ?? [
      { at: ['cluster'], its: cluster },
    ];
    for (const { at, its } of each) {
      const { type, rest, ssh, commandPrefix, timeoutSeconds } = its;
      const tell = (path: readonly string[], message: string): void =>
        context.addIssue({ code: 'custom', path: [...at, ...path], message });
      if (ssh.host !== undefined && commandPrefix.length > 0)
        tell(['commandPrefix'], 'cluster.ssh.host leads to the cluster already: set one of the two');
      if (type === 'rest' && (rest.url === undefined) === (rest.socket === undefined))
        tell(['rest'], 'cluster.type rest needs one of url and socket');
      if (rest.url !== undefined && rest.tokenFile === undefined)
        tell(['rest', 'tokenFile'], 'must be set with url: over the network slurmrestd knows nobody without a token');
      if (rest.namespaceCredentials.secretName !== undefined && rest.tokenFile === undefined)
        tell(['rest', 'namespaceCredentials'], 'needs tokenFile: all jobs are listed by the operator’s own token');
      if (doubtWindowSeconds <= timeoutSeconds)
        context.addIssue({
          code: 'custom',
          path: ['doubtWindowSeconds'],
          message: 'must be longer than cluster.timeoutSeconds: a command that is still waiting may still submit',
        });
    }
  })
  .superRefine(({ clusters = [] }, context) => {
    for (const [index, { secretDirectory }] of clusters.entries()) {
      const other = clusters.find((one) => one.secretDirectory === secretDirectory);
      if (secretDirectory !== undefined && other !== clusters[index])
        context.addIssue({
          code: 'custom',
          path: ['clusters', index, 'secretDirectory'],
          message: `is that of cluster ${other?.name} already, and each removes what is not its own`,
        });
    }
    for (const [index, { name }] of clusters.entries())
      if (clusters.findIndex((other) => other.name === name) < index)
        context.addIssue({
          code: 'custom',
          path: ['clusters', index, 'name'],
          message: `"${name}" is a cluster already`,
        });
  });

export type Settings = z.output<typeof Settings>;

/** What every job is given by the place. */
export function siteOf(settings: Settings, standInCommand: readonly string[], catalog?: Catalog): Site {
  const { account, partitions, qos, time } = settings.defaults;
  const { gpuMemoryGiB, gpusPerNode, nodes } = settings.hardware;
  return {
    logDirectory: settings.logDirectory,
    secretDirectory: settings.secretDirectory,
    portRange: settings.portRange,
    defaults: {
      partitions,
      ...(account !== undefined && { account }),
      ...(qos !== undefined && { qos }),
      ...(time !== undefined && { time }),
    },
    standInCommand,
    ...(catalog !== undefined && { catalog }),
    hardware: {
      ...(gpuMemoryGiB !== undefined && { gpuMemoryGiB }),
      ...(gpusPerNode !== undefined && { gpusPerNode }),
      ...(nodes !== undefined && { nodes }),
    },
  };
}

/** The operator's patience, in the unit decisions are made in. */
export function policyOf(settings: Settings): Policy {
  return {
    ...DEFAULT_POLICY,
    tickMs: settings.intervals.tickSeconds * 1000,
    doubtWindowMs: settings.doubtWindowSeconds * 1000,
    submitTimeoutMs: settings.cluster.timeoutSeconds * 1000,
    vanishedGraceMs: settings.vanishedGraceSeconds * 1000,
    queuedForeverGraceMs: settings.queuedForeverGraceSeconds * 1000,
  };
}

/**
 * The settings as each cluster has them: as if it were the only one. The first is where deployments are placed that name none.
 * What two clusters must not share is apart by their names.
 */
export function eachCluster(settings: Settings): readonly Settings[] {
  const { clusters, ...all } = settings;
  if (!clusters) return [settings];
  return clusters.map(
    (
      { defaults = {}, hardware = {}, portRange, logDirectory, secretDirectory, tickSeconds, slurmCalls, ...cluster },
      index,
    ) => {
      const apart = (directory: string): string => (index === 0 ? directory : path.join(directory, cluster.name));
      return {
        ...all,
        cluster,
        defaults: { ...all.defaults, ...definedOf(defaults) },
        hardware: { ...all.hardware, ...definedOf(hardware) },
        portRange: parsePortRange(portRange ?? '') ?? all.portRange,
        logDirectory: logDirectory ?? all.logDirectory,
        secretDirectory: secretDirectory ?? apart(all.secretDirectory),
        local: { ...all.local, directory: apart(all.local.directory) },
        intervals: { ...all.intervals, tickSeconds: tickSeconds ?? all.intervals.tickSeconds },
        limits: { ...all.limits, slurmCalls: slurmCalls ?? all.limits.slurmCalls },
      };
    },
  );
}

function definedOf<T extends object>(said: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(said).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]: Exclude<T[K], undefined>;
  };
}
