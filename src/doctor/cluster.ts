import type { Check } from './checks.ts';
import type { Facts } from './facts.ts';
import { error, type Finding, warning } from './finding.ts';

/** Programs the operator cannot work without; the others are asked by `doctor` alone, or where accounting is kept. */
const NEEDED = ['sbatch', 'squeue', 'scancel', 'scontrol', 'sinfo'];
/** Source: the adapter's contract suite, which runs on these. */
const OLDEST = [22, 5] as const;

export const checkCluster: Check = ({ cluster }) =>
  cluster.type === 'slurm' || cluster.isChosen
    ? []
    : [
        warning(
          `jobs are processes of this machine (${cluster.why})`,
          'nothing is submitted to SLURM, and nothing of SLURM can be checked',
          'where there is a SLURM cluster: put its commands on PATH, or set cluster.binDirectory or cluster.ssh.host',
        ),
      ];

export const checkConnection: Check = ({ connection }) => {
  if (!connection) return undefined;
  if (connection.ok) return [];
  return [
    error(
      connection.error,
      'nothing of the cluster can be asked; the operator holds meanwhile and changes nothing',
      'docs/how-to/ssh.md says what the account and its key need',
    ),
  ];
};

function findingsOf(rest: NonNullable<Facts['rest']>, now: number): readonly Finding[] {
  if (!rest.ok)
    return [
      error(
        rest.error,
        'the operator cannot submit, watch or cancel jobs',
        'see cluster.rest in docs/how-to/slurmrestd.md: the address, the token, the authorities',
      ),
    ];
  const { credentialsEndMs, cannotWarn } = rest.value.notices;
  return [
    ...(credentialsEndMs === undefined
      ? []
      : [
          warning(
            `the token ends in ${Math.max(0, Math.round((credentialsEndMs - now) / 60_000))} minutes`,
            'from then on every job is left as it is',
            'renew it by a timer: `scontrol token lifespan=SECONDS`',
          ),
        ]),
    ...(cannotWarn
      ? [
          warning(
            'this version of slurmrestd cannot warn jobs before their time runs out (--signal)',
            'at the end of spec.slurm.time a replica has KillWait (30 s) to finish what it is answering',
            'use SLURM’s own commands (cluster.type: slurm), or a newer slurmrestd',
          ),
        ]
      : []),
  ];
}

export const checkPrograms: Check = ({ programs }) => {
  if (!programs) return undefined;
  const versions = new Set(programs.flatMap(({ version }) => (version.ok ? [version.value] : [])));
  return [
    ...programs.flatMap(({ name, version }) => {
      if (version.ok) return [];
      return NEEDED.includes(name)
        ? [
            error(
              `${name} does not run: ${version.error}`,
              'the operator cannot submit, watch or cancel jobs',
              "install SLURM's client commands, or set cluster.binDirectory",
            ),
          ]
        : [
            warning(
              `${name} does not run: ${version.error}`,
              name === 'sacct'
                ? 'how a job ended is known for a few minutes only'
                : 'accounts and limits cannot be looked at from here',
              'install it if the cluster keeps accounting',
            ),
          ];
    }),
    ...[...versions]
      .filter(isTooOld)
      .map((version) =>
        warning(`SLURM ${version}`, 'the operator is tested from 22.05 on', 'expect surprises, or ask for an update'),
      ),
    ...(versions.size > 1
      ? [
          warning(
            `the commands are of different versions: ${[...versions].join(', ')}`,
            'some may not understand the controller',
            'let cluster.binDirectory name one installation',
          ),
        ]
      : []),
  ];
};

export const checkController: Check = ({ controller, configuration, timeoutSeconds, rest, now }) => {
  if (rest) return findingsOf(rest, now);
  if (!controller) return undefined;
  const advice = 'wait or ask the administrators; the operator holds meanwhile and changes nothing';
  if (!controller.ok)
    return [
      error(`the controller does not answer: ${controller.error}`, 'nothing can be submitted or watched', advice),
    ];
  const { hosts } = controller.value;
  if (!hosts.some(({ isUp }) => isUp))
    return [
      error(
        `no controller answers: ${hosts.map(({ role, host }) => `${host} (${role})`).join(', ') || 'none is named'}`,
        'nothing can be submitted or watched',
        advice,
      ),
    ];
  const messageTimeout = configuration?.ok ? configuration.value.messageTimeoutSeconds : undefined;
  if (messageTimeout === undefined || messageTimeout < timeoutSeconds) return [];
  return [
    warning(
      `commands are given ${timeoutSeconds} s, and SLURM itself waits ${messageTimeout} s (MessageTimeout)`,
      'answers are given up before SLURM gives them up',
      `set cluster.timeoutSeconds above ${messageTimeout}`,
    ),
  ];
};

function isTooOld(version: string): boolean {
  const [year = 0, month = 0] = version.split('.').map(Number);
  return year < OLDEST[0] || (year === OLDEST[0] && month < OLDEST[1]);
}
