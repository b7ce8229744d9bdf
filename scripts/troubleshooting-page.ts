import { page, table } from '../src/api/reference.ts';
import type { FailureRule } from '../src/decide/failure-rule.ts';
import { FAILURES, type FailureReason } from '../src/decide/failures.ts';
import { PENDING_REASONS, type PendingReasonRow } from '../src/decide/pending-reasons.ts';
import { DEFAULT_POLICY } from '../src/decide/policy.ts';
import { anchorOf } from '../src/decide/troubleshooting.ts';

/** What people see first, and the reasons that may stand behind it. */
const SYMPTOMS: readonly {
  readonly seen: string;
  readonly look: string;
  readonly reasons: readonly FailureReason[];
}[] = [
  {
    seen: 'The job stays pending',
    look: 'the code SLURM gives, under [Why a job waits](#why-a-job-waits)',
    reasons: ['SubmissionRejected', 'SubmitLimitReached'],
  },
  {
    seen: 'Nodes do not find one another: timeouts, NCCL errors',
    look: '`spec.launcher.nccl.socketIfname`, `spec.launcher.rendezvous.timeoutSeconds`',
    reasons: ['CommunicationFailed', 'NodeFailed', 'EngineHung'],
  },
  {
    seen: 'CUDA out of memory, or the KV cache does not fit',
    look: '`spec.engine.maxModelLen`, `spec.engine.maxNumSeqs`, `spec.engine.gpuMemoryUtilization`',
    reasons: ['OutOfMemory'],
  },
  {
    seen: 'Address already in use',
    look: 'leave out `spec.endpoint.port`: each job then takes a free one',
    reasons: ['PortInUse'],
  },
  {
    seen: 'Permission denied, or no space, in the cache',
    look: '`spec.model.cache.path`',
    reasons: ['StorageFailed', 'Misconfigured'],
  },
  {
    seen: 'The model is not found, or the hub refuses it',
    look: '`spec.model.uri`, `spec.model.tokenFrom`, `spec.model.cache.offline`',
    reasons: ['Misconfigured', 'HubUnavailable'],
  },
  {
    seen: 'It loads for ever',
    look: '`spec.probes.startup.timeoutSeconds`, and the file system the weights come from',
    reasons: ['StartupTimeout'],
  },
  {
    seen: 'It served, and then it was gone',
    look: '`spec.slurm.time`, `spec.slurm.qos`',
    reasons: ['WalltimeReached', 'Preempted', 'CancelledExternally', 'Vanished', 'Unresponsive'],
  },
];

/** Reasons of the Ready condition while no attempt has ended; those of a start need nobody. */
const MEANWHILE: readonly (readonly [reason: string, meaning: string, next: string])[] = [
  [
    'InvalidSpec',
    'The spec does not read. What served before goes on serving the last good one.',
    'Correct the fields it names.',
  ],
  [
    'SlurmUnreachable',
    'SLURM does not answer, or only half. Nothing is submitted or cancelled; endpoints stay published.',
    'Try `squeue` as the operator’s user. It goes on by itself.',
  ],
  [
    'SlurmViewSuspect',
    'Much of the fleet is missing from one listing, which is therefore doubted. Nothing is changed.',
    'Nothing, or look whether somebody cancelled all jobs.',
  ],
  [
    'SubmissionInDoubt',
    '`sbatch` did not say whether it took the job. It is looked for before it is submitted again.',
    'Nothing.',
  ],
  ['JobMissing', 'The job is not in the queue any more. Accounting is asked before it counts as lost.', 'Nothing.'],
  [
    'SecretMissing',
    'A variable, file or Secret that the spec names is not there, or the token SLURM is to know the namespace by is not, or is of no use.',
    'Provide it; it is looked for again.',
  ],
  ['SecretUnreachable', 'A secret could not be read just now.', 'Nothing, or look at its permissions.'],
  [
    'QueuedForever',
    'SLURM gives a reason that waiting does not end, for longer than `queuedForeverGraceSeconds`. The job stays in the queue.',
    'See the code under [Why a job waits](#why-a-job-waits).',
  ],
  [
    'EndpointRefused',
    'The job names an endpoint that is none of its nodes or ports, so it is not asked.',
    'Look who changed the job’s comment.',
  ],
  [
    'ProbeFailed',
    'The endpoint does not answer at present. After `spec.probes.liveness.failureThreshold` times the attempt is given up.',
    'See `vllm-slurm logs NAME`.',
  ],
];

const BLAME: Readonly<Record<FailureRule['blame'], string>> = {
  node: 'Keeps the node out for a while.',
  peers: 'Keeps the nodes that do not answer out for a while.',
  configuration: '',
  transient: '',
};

const RETRY: Readonly<Record<FailureRule['retry'], string>> = {
  now: 'Submits the next attempt at once; when it happens again, after a pause that grows each time.',
  backoff: 'Submits the next attempt after a pause that grows each time.',
  slowly: `Says \`Stalled\` and tries again every ${DEFAULT_POLICY.rejectedRetryMs / 60_000} minutes, and at once after an edit.`,
  never: 'Says `Stalled` and submits nothing until the spec changes.',
};

export function troubleshootingPage(): string {
  const rules: readonly FailureRule[] = FAILURES;
  const reasons = [...new Set(rules.map(({ reason }) => reason))].sort();
  return page('Troubleshooting', [
    'Begin with `vllm-slurm describe NAME`: it says why a deployment is not ready and what to do, and names the section of this page.',
    'The same words are in the conditions and in `status.lastFailure`, so `kubectl describe vllmd NAME` shows them too. The whole log is',
    '`vllm-slurm logs NAME`. What is wrong with the site itself is told by `vllm-slurm doctor`.',
    '',
    '## By what you see',
    '',
    ...table(
      ['What you see', 'Look at', 'May be'],
      SYMPTOMS.map(({ seen, look, reasons: behind }) => [
        seen,
        look,
        behind.map((reason) => `[${reason}](#${anchorOf(reason)})`).join(', '),
      ]),
    ),
    '',
    '## By what the Ready condition says',
    '',
    'While a job starts its reasons are those of the stages: `Submitted`, `Queued`, `Configuring`, `Launching`, `Rendezvous`, `Loading`,',
    '`Compiling`, `Warming`. After a failure it is the reason of the failure, below. Otherwise:',
    '',
    ...table(
      ['Reason', 'What it means, and what the operator does', 'What you can do'],
      MEANWHILE.map(([reason, ...rest]) => [`\`${reason}\``, ...rest]),
    ),
    '',
    '## Why a job waits',
    '',
    'SLURM gives one code, though there may be several reasons. The operator leaves the job in the queue: it starts by itself as soon as it',
    'may, and an edit of the spec replaces it. Where waiting alone does not end it, the deployment is `Stalled` with `QueuedForever` after the',
    'setting `queuedForeverGraceSeconds`. `describe` shows when SLURM expects to start the job, if it has planned that far: the guess comes',
    'with the listing the operator takes anyhow, and costs the scheduler nothing.',
    ...PENDING_REASONS.flatMap(pendingSection),
    '',
    '## What ended an attempt',
    '',
    'A failure that counts is one of the `spec.restartPolicy.maxRestarts` within `spec.restartPolicy.windowSeconds`; beyond them the',
    'deployment is `Stalled` until the spec changes. By which exit code or line a failure is recognised is in',
    '[the reference](reference/failures.md).',
    ...reasons.flatMap((reason) =>
      failureSection(
        reason,
        rules.filter((rule) => rule.reason === reason),
      ),
    ),
  ]);
}

function pendingSection({ codes, meaning, advice, forever }: PendingReasonRow): readonly string[] {
  const others = codes.slice(1).filter((code) => code !== '' && code !== 'null');
  return [
    '',
    `### ${codes[0]}`,
    '',
    ...(others.length > 0 ? [`Also ${others.map((code) => `\`${code}\``).join(', ')}.`, ''] : []),
    `${marked(advice === undefined ? meaning : `${meaning} ${advice}`)}${forever ? ' **Waiting alone does not end it.**' : ''}`,
  ];
}

function failureSection(reason: string, rules: readonly FailureRule[]): readonly string[] {
  return [
    '',
    `### ${reason}`,
    '',
    ...table(
      ['What happened', 'What the operator does', 'What you can do'],
      rules.map((rule) => [
        sentence(rule.summary),
        reaction(rule),
        rule.advice === undefined ? 'Nothing: it goes on by itself.' : sentence(rule.advice),
      ]),
    ),
  ];
}

function reaction({ blame, retry, spendsBudget }: FailureRule): string {
  return [BLAME[blame], RETRY[retry], spendsBudget && retry !== 'never' ? 'It counts.' : '']
    .filter((part) => part !== '')
    .join(' ');
}

function sentence(words: string): string {
  return marked(`${words.slice(0, 1).toUpperCase()}${words.slice(1)}.`);
}

/** Fields as code, so that no letter of theirs is read as Markdown. */
function marked(words: string): string {
  return words.replaceAll(/(?<!`)\b(?:spec|status)(?:\.[A-Za-z]+)+/g, '`$&`');
}
