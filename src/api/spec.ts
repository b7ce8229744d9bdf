import { z } from 'zod';
import { parseSlurmTime } from '../slurm/duration.ts';
import { SLURM_TIME_RULE, SPEC_RULES } from './spec-rules.ts';

/**
 * The one definition of `spec`: types, parser, CRD and reference page are made from it.
 * Defaults are filled in last, behind what a preset says; the CRD has none where a preset may set a value
 * (`PRESET_PARTS`), or the API server would write it into the spec, and it would count for the person's own.
 */

const word = (max: number) => z.string().min(1).max(max);
/** One line of printable text: it ends in an `#SBATCH` line, where a line break would begin another. */
const oneLine = (max: number) => word(max).regex(/^[^\p{Cc}]+$/u, 'must be one line without control characters');
/** What sbatch takes as one value: no blanks, quotes or shell signs to be in doubt about. */
const sbatchWord = (max = 128) =>
  word(max).regex(/^[A-Za-z0-9_.:@%+=/-]+$/, 'must be one word of letters, digits and _.:@%+=/-');
const nodeNames = () =>
  z.array(word(1024).regex(/^[A-Za-z0-9_.,[\]-]+$/, 'must be node names or a node list such as node[001-004]')).max(64);
const seconds = (min: number, max: number) => z.int().min(min).max(max);
const clusterName = () =>
  word(63).regex(/^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/, 'must be the name of a cluster: lower-case letters, digits and -');
const partitionNames = () => z.array(sbatchWord()).max(16).default([]);
const portRange = () => word(11).regex(/^\d{4,5}-\d{4,5}$/, 'must be LOW-HIGH, such as 20000-30000');
/** One of three places; `spec-checks` sees to it that exactly one is named. */
const secretSource = () =>
  z
    .strictObject({
      env: word(128)
        .regex(/^[A-Za-z_][A-Za-z0-9_]*$/, 'must be an environment variable name')
        .optional()
        .describe("A variable of the operator's own environment."),
      file: oneLine(1024)
        .regex(/^\//, 'must be an absolute path')
        .optional()
        .describe("A file on the operator's machine; its first line is the secret."),
      secretKeyRef: z
        .strictObject({
          name: word(253)
            .regex(/^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/, 'must be the name of a Secret')
            .describe("A Secret in the deployment's own namespace."),
          key: word(253)
            .regex(/^[-._a-zA-Z0-9]+$/, 'must be a key of a Secret')
            .describe('Which of its keys.'),
        })
        .optional()
        .describe('A key of a Kubernetes Secret.'),
    })
    .optional();

export const Model = z.strictObject({
  uri: oneLine(1024)
    .regex(
      /^(hf:\/\/[A-Za-z0-9_.-]+\/[A-Za-z0-9_.-]+|file:\/\/\/\S+)$/,
      'must be hf://ORG/REPO or file:///ABSOLUTE/PATH',
    )
    .describe(
      'Where the weights are: `hf://org/repo` on the Hugging Face hub, or `file:///path` seen by the compute nodes.',
    ),
  revision: sbatchWord().optional().describe('Branch, tag or commit of the hub repository.'),
  name: word(256)
    .regex(
      /^[A-Za-z0-9][A-Za-z0-9_./:-]*$/,
      'must begin with a letter or digit and hold only letters, digits and _./:-',
    )
    .optional()
    .describe('Name clients ask for (`--served-model-name`). Default: the repository, or the last part of the path.'),
  aliases: z
    .array(
      word(256).regex(
        /^[A-Za-z0-9][A-Za-z0-9_./:-]*$/,
        'must begin with a letter or digit and hold only letters, digits and _./:-',
      ),
    )
    .max(16)
    .default([])
    .meta({ 'x-kubernetes-list-type': 'set' })
    .describe('Further names the same endpoint answers to.'),
  cache: z
    .strictObject({
      path: oneLine(1024)
        .regex(/^\//, 'must be an absolute path')
        .optional()
        .describe("Hugging Face cache directory on the compute nodes (`HF_HOME`). Default: the user's own."),
      offline: z
        .boolean()
        .default(false)
        .describe('Never ask the hub; everything must be in the cache (`HF_HUB_OFFLINE=1`).'),
    })
    .prefault({})
    .describe('Where downloaded weights are kept.'),
  tokenFrom: secretSource().describe(
    'Hugging Face token for gated and private models: exactly one of env, file and secretKeyRef. The job reads it from a file that only its user can read.',
  ),
});

/** Parts of a spec that a preset may fill in. Where and how long jobs run is for the site and the person to say. */
export const PRESET_PARTS = ['model', 'parallelism', 'resources', 'runtime', 'engine', 'launcher', 'probes'] as const;
export const PRESET_NAME = /^[a-z0-9][a-z0-9._-]*$/;

export const Spec = z
  .strictObject({
    preset: word(63)
      .regex(PRESET_NAME, 'must be the name of a preset: lower-case letters, digits and .-_')
      .optional()
      .describe(
        'A model of the catalog, which fills in what is left out here: model, resources, engine and so on (`vllm-slurm catalog`). Lists are taken whole, from here or from there.',
      ),
    model: Model.describe('The model to serve. Required, unless a preset names it.'),
    replicas: z.int().min(0).max(512).default(1).describe('Serving copies, each an allocation of its own.'),
    parallelism: z
      .strictObject({
        tensor: z
          .int()
          .min(1)
          .max(1024)
          .optional()
          .describe(
            'Tensor-parallel ranks (`--tensor-parallel-size`). Default: the GPUs of one node; all that `pipeline` and `data` leave, where they are set.',
          ),
        pipeline: z
          .int()
          .min(1)
          .max(1024)
          .optional()
          .describe(
            'Pipeline-parallel stages (`--pipeline-parallel-size`). Default: `resources.nodes`, or what `tensor` leaves of it; 1 with `data`, and without GPUs.',
          ),
        data: z
          .int()
          .min(1)
          .max(1024)
          .default(1)
          .describe(
            'Data-parallel copies behind the one endpoint (`--data-parallel-size`), for mixture-of-experts models; each node holds as many. For other models set `replicas`.',
          ),
        expert: z
          .boolean()
          .default(false)
          .describe('Spread the experts of a mixture over all tensor and data ranks (`--enable-expert-parallel`).'),
      })
      .prefault({})
      .describe('How ranks split the model; tensor × pipeline × data must not exceed nodes × gpusPerNode.'),
    resources: z
      .strictObject({
        nodes: z
          .int()
          .min(1)
          .max(64)
          .default(1)
          .describe('Nodes of one replica (`--nodes`): one allocation, that comes and goes as a whole.'),
        gpusPerNode: z
          .int()
          .min(0)
          .max(64)
          .default(1)
          .describe('GPUs on each node (`--gres=gpu`); 0 asks for none, and ranks are then shared out among nodes.'),
        gpuType: sbatchWord(64)
          .regex(/^[A-Za-z0-9_.-]+$/, 'must be a GPU type as the site names it, such as h100')
          .optional()
          .describe("GPU type in the site's gres names, such as `h100`."),
        cpusPerTask: z.int().min(1).max(4096).optional().describe("CPU cores of one node's task (`--cpus-per-task`)."),
        memory: word(16)
          .regex(/^\d+[KMGT]?$/, 'must be a number with K, M, G or T, such as 128G')
          .optional()
          .describe('Memory a node (`--mem`), such as `128G`. Not together with memoryPerGpu.'),
        memoryPerGpu: word(16)
          .regex(/^\d+[KMGT]?$/, 'must be a number with K, M, G or T, such as 64G')
          .optional()
          .describe('Memory a GPU (`--mem-per-gpu`), such as `64G`.'),
      })
      .prefault({})
      .describe('What one replica asks of SLURM.'),
    slurm: z
      .strictObject({
        cluster: clusterName()
          .optional()
          .describe(
            "Which of the operator's `clusters`. Another one moves the deployment: its jobs there end first. Default: where it is; at the beginning the first of the list.",
          ),
        account: sbatchWord().optional().describe('`--account`.'),
        partitions: partitionNames().describe(
          "`--partition`: SLURM takes the first that can start. Default: the operator's setting, else the cluster's.",
        ),
        places: z
          .array(
            z.strictObject({
              cluster: clusterName()
                .optional()
                .describe("Which of the operator's `clusters`. All places name one, or none does."),
              partitions: partitionNames().describe(
                "`--partition`. Default: the operator's setting for that cluster, else the cluster's.",
              ),
              waitSeconds: seconds(10, 2_592_000)
                .default(600)
                .describe(
                  'How long a job may wait in the queue here, or is expected to by SLURM, before the next place is tried.',
                ),
            }),
          )
          .min(1)
          .max(8)
          .optional()
          .describe(
            'In place of `cluster` and `partitions`: where it may run, the best first. All replicas are at one place. While none of them runs, the next place is tried when a job would wait too long or is refused; after the last it waits where SLURM expects the earliest start. What runs stays; when nothing runs any more the first place is tried again.',
          ),
        qos: sbatchWord().optional().describe('`--qos`.'),
        time: word(32)
          .refine(
            (text) => parseSlurmTime(text) !== undefined,
            'must be a SLURM time: minutes, HH:MM:SS, D-HH, D-HH:MM:SS or UNLIMITED',
          )
          .optional()
          .meta({ 'x-kubernetes-validations': [SLURM_TIME_RULE] })
          .describe("Walltime of one attempt (`--time`), in SLURM's notations."),
        reservation: sbatchWord().optional().describe('`--reservation`.'),
        constraint: word(256)
          .regex(/^[A-Za-z0-9_.,&|()[\]*:-]+$/, 'must be node features joined by & | , or [ ]')
          .optional()
          .describe('`--constraint`: node features.'),
        exclude: nodeNames().default([]).describe('`--exclude`: nodes never to use.'),
        nodelist: nodeNames().default([]).describe('`--nodelist`: nodes that must be in the allocation.'),
        licenses: sbatchWord(256)
          .regex(/^[^%]*$/, 'must be licence names such as foo:2')
          .optional()
          .describe('`--licenses`.'),
        extraArgs: z
          .array(
            oneLine(256).regex(
              /^--[a-z][a-z0-9-]*(=[^\s"'\\`$]+)?$/,
              'must be --option or --option=value without blanks, quotes or shell signs',
            ),
          )
          .max(32)
          .default([])
          .describe('Further sbatch options, `--option=value` each. Options the operator owns are refused.'),
      })
      .prefault({})
      .describe("Where and how long, in sbatch's own words."),
    runtime: z
      .strictObject({
        type: z
          .enum(['host', 'venv', 'apptainer', 'pyxis'])
          .default('host')
          .describe(
            '`host`: the engine is on PATH of the compute node. `venv`: a Python virtual environment, or one of conda, on a shared file system. `apptainer`: a container image, run by `apptainer exec` (or `singularity exec`) on each node. `pyxis`: a container image, run by the plugin Pyxis of SLURM, with Enroot.',
          ),
        venv: oneLine(1024)
          .regex(/^\//, 'must be an absolute path')
          .optional()
          .describe("The virtual environment's directory; required for type venv."),
        image: oneLine(1024)
          .regex(
            /^(\/[^\p{Cc}]*|(docker|oras):\/\/[A-Za-z0-9][A-Za-z0-9_.:@/-]*)$/u,
            'must be an absolute path, docker://NAME or oras://NAME',
          )
          .optional()
          .describe(
            'The container image; required for the types apptainer and pyxis: a file (`.sif`; `.sqsh` for pyxis) or a directory the compute nodes share, or `docker://…`, or for apptainer `oras://…`. With apptainer the first job turns one of a registry into a file beside the model cache. Its weights and cache are mounted at their own paths.',
          ),
        mounts: z
          .array(
            word(1024).regex(
              /^\/[^,:\\"\p{Cc}]*(:\/[^,:\\"\p{Cc}]*)?$/u,
              'must be SOURCE or SOURCE:TARGET, absolute paths without commas, colons, quotes and backslashes',
            ),
          )
          .max(64)
          .default([])
          .describe(
            'Further directories or files of the compute nodes in the container, `SOURCE` or `SOURCE:TARGET` each. The model and its cache need none.',
          ),
        modules: z
          .array(sbatchWord())
          .max(32)
          .default([])
          .describe('Environment modules loaded first (`module load`).'),
      })
      .prefault({})
      .describe('What the engine runs in.'),
    engine: z
      .strictObject({
        type: z
          .enum(['vllm', 'stand-in'])
          .default('vllm')
          .describe(
            "`vllm`, or the bundled `stand-in`: a small HTTP server with vLLM's interface and no model, for trials without a GPU.",
          ),
        maxModelLen: z.int().min(1).max(100_000_000).optional().describe('`--max-model-len`, tokens.'),
        gpuMemoryUtilization: z.number().gt(0).max(1).optional().describe('`--gpu-memory-utilization`, 0 to 1.'),
        maxNumSeqs: z.int().min(1).max(1_000_000).optional().describe('`--max-num-seqs`.'),
        dtype: z.enum(['auto', 'half', 'float16', 'bfloat16', 'float', 'float32']).optional().describe('`--dtype`.'),
        quantization: sbatchWord(64).optional().describe('`--quantization`.'),
        kvCacheDtype: sbatchWord(64).optional().describe('`--kv-cache-dtype`.'),
        seed: z.int().min(0).max(2_147_483_647).optional().describe('`--seed`.'),
        toolCallParser: sbatchWord(64).optional().describe('`--tool-call-parser`, with `--enable-auto-tool-choice`.'),
        reasoningParser: sbatchWord(64).optional().describe('`--reasoning-parser`.'),
        trustRemoteCode: z
          .boolean()
          .default(false)
          .describe('`--trust-remote-code`: runs code from the model repository.'),
        args: z
          .array(word(4096).regex(/^[^\0]*$/))
          .max(128)
          .default([])
          .describe(
            'Further engine arguments, verbatim. Options the operator owns, or that a field above sets, are refused.',
          ),
        env: z
          .record(
            z
              .string()
              .max(128)
              .regex(/^[A-Za-z_][A-Za-z0-9_]*$/, 'must be an environment variable name'),
            z
              .string()
              .max(8192)
              .regex(/^[^\0]*$/),
          )
          .default({})
          .describe('Environment of the engine. Readable in the job script: no secrets here.'),
      })
      .prefault({})
      .describe("vLLM's own settings."),
    endpoint: z
      .strictObject({
        port: z
          .int()
          .min(1024)
          .max(65_535)
          .optional()
          .describe('One fixed port. Default: a free one of portRange, chosen on the node.'),
        portRange: portRange()
          .optional()
          .describe("Ports to choose from, `LOW-HIGH`. Default: the operator's setting."),
        apiKeyFrom: secretSource().describe(
          'Key that clients must show (`Authorization: Bearer …`): exactly one of env, file and secretKeyRef. Without it anybody who reaches the port is answered.',
        ),
      })
      .prefault({})
      .describe('Where the model answers.'),
    launcher: z
      .strictObject({
        type: z
          .enum(['torchrun', 'native', 'ray'])
          .default('torchrun')
          .describe(
            "What starts the ranks of several nodes, under one `srun`. `torchrun`: one agent a node, which waits for all others first. `native`: vLLM's own processes alone. `ray`: `ray symmetric-run`; Ray must be installed beside vLLM.",
          ),
        rendezvous: z
          .strictObject({
            timeoutSeconds: seconds(10, 3600)
              .default(300)
              .describe('How long the nodes of a replica wait for one another before the attempt has failed.'),
            portRange: portRange()
              .optional()
              .describe(
                "Ports on the first node that ranks meet at, `LOW-HIGH`; a replica takes four of them. Default: the operator's setting.",
              ),
          })
          .prefault({})
          .describe('How ranks find one another.'),
        nccl: z
          .strictObject({
            socketIfname: word(64)
              .regex(/^[=^]?[A-Za-z0-9_.:@-]+(,[A-Za-z0-9_.:@-]+)*$/, 'must be interface names such as ib0 or =eth0')
              .optional()
              .describe(
                'Network interface (`NCCL_SOCKET_IFNAME`, and `GLOO_SOCKET_IFNAME` where it is the name of one). Default: the one that leads to the first node.',
              ),
            blocksize: z
              .int()
              .min(1024)
              .max(1_073_741_824)
              .optional()
              .describe("Bytes of a communication buffer (`NCCL_BUFFSIZE`). Default: NCCL's own."),
            ibTimeout: z
              .int()
              .min(1)
              .max(31)
              .optional()
              .describe("InfiniBand timeout, 4.096 µs × 2^n (`NCCL_IB_TIMEOUT`). Default: NCCL's own."),
            debug: z
              .enum(['VERSION', 'WARN', 'INFO', 'TRACE'])
              .optional()
              .describe('What NCCL writes to the log (`NCCL_DEBUG`).'),
          })
          .prefault({})
          .describe('Communication between GPUs; InfiniBand is used where it is found.'),
      })
      .prefault({})
      .describe('How the ranks of a replica over several nodes are started and find one another.'),
    probes: z
      .strictObject({
        startup: z
          .strictObject({
            timeoutSeconds: seconds(1, 86_400)
              .default(1800)
              .describe('From start of the job to the first answer; then the attempt has failed.'),
          })
          .prefault({})
          .describe('While the model loads.'),
        liveness: z
          .strictObject({
            periodSeconds: seconds(1, 3600).default(15).describe('Between two probes.'),
            timeoutSeconds: seconds(1, 600).default(10).describe('For one probe, its token included.'),
            failureThreshold: z
              .int()
              .min(1)
              .max(100)
              .default(3)
              .describe('Probes failed in a row before the attempt is given up.'),
          })
          .prefault({})
          .describe(
            'While the model serves: one token is asked for, of a model that only embeds one embedding. An engine too busy to give it in time still counts while tokens come out for others.',
          ),
        canary: z
          .strictObject({
            periodSeconds: seconds(1, 3600)
              .default(30)
              .describe('An engine that produced no token for so long is asked for one.'),
            timeoutSeconds: seconds(1, 600).optional().describe('For that token. Default: `liveness.timeoutSeconds`.'),
          })
          .prefault({})
          .describe(
            'Inside the job: an engine whose token counters stand still is asked for one token; after `liveness.failureThreshold` failures in a row it hangs, and the attempt ends.',
          ),
      })
      .prefault({})
      .describe('How the operator decides that an endpoint answers.'),
    restartPolicy: z
      .strictObject({
        maxRestarts: z
          .int()
          .min(0)
          .max(100)
          .default(5)
          .describe('Failures of one replica within windowSeconds before it is Stalled.'),
        windowSeconds: seconds(60, 30 * 86_400)
          .default(3600)
          .describe('How far back failures are counted.'),
        backoff: z
          .strictObject({
            initialSeconds: seconds(1, 3600).default(10).describe('After the first failure; doubled each time.'),
            maxSeconds: seconds(1, 86_400).default(600).describe('The cap.'),
          })
          .prefault({})
          .describe('Wait before a replica is submitted again.'),
        excludeFailedNodes: z
          .strictObject({
            ttlSeconds: seconds(0, 7 * 86_400)
              .default(3600)
              .describe('How long a node that failed is kept out; 0: not at all.'),
            max: z
              .int()
              .min(0)
              .max(64)
              .default(2)
              .describe('How many nodes at most; the oldest blame is forgiven first.'),
          })
          .prefault({})
          .describe('Nodes blamed for a failure are excluded for a while.'),
        onExternalCancel: z
          .enum(['Resubmit', 'Hold'])
          .default('Resubmit')
          .describe('When somebody else cancels a job: submit again, or hold until the spec changes.'),
      })
      .prefault({})
      .describe('What happens after a failure.'),
    suspend: z.boolean().default(false).describe('true: no jobs; the resource and its history stay.'),
  })
  .meta({ 'x-kubernetes-validations': SPEC_RULES });

export type Spec = z.output<typeof Spec>;
export type SecretSource = NonNullable<Spec['model']['tokenFrom']>;
/** As a person writes it: what has a default may be left out. */
export type SpecInput = z.input<typeof Spec>;

/** DNS label (RFC 1123), no dots: the job name reads back one way only. */
export const DNS_LABEL = /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/;
