/** One program of Slurm's to run. Every word is one that no shell would change: see `isPlainWord`. */
export type Command = {
  readonly program: string;
  readonly args: readonly string[];
  readonly stdin?: string;
  /** Added to what is passed on from our own environment. */
  readonly environment?: Readonly<Record<string, string>>;
  /** No program of Slurm's but one of the machine, or of `config/ssh/far-shell.sh`; its words are any without line breaks. */
  readonly isTheirs?: true;
};

/** Where commands run. */
export type Place = {
  /** Words before every command, such as `['ssh', 'login1']`. */
  readonly commandPrefix: readonly string[];
  /** Where Slurm's programs are; undefined: on PATH. */
  readonly binDirectory: string | undefined;
};

export function commandLine(command: Command, place: Place): readonly string[] {
  if (command.isTheirs && place.commandPrefix.length === 0) return [command.program, ...command.args];
  const words = [programPath(command, place), ...command.args];
  const strange = words.slice(1).find((word) => !isPlainWord(word));
  if (strange !== undefined) throw new Error(`not a plain word: ${JSON.stringify(strange)}`);
  const settings = Object.entries(command.environment ?? {}).map(([name, value]) => `${name}=${value}`);
  if (place.commandPrefix.length === 0) return settings.length === 0 ? words : ['env', ...settings, ...words];
  return [
    ...place.commandPrefix,
    'env',
    ...CLEARED_BEHIND_PREFIX.flatMap((name) => ['-u', name]),
    ...settings,
    ...words,
  ];
}

/** Where its program is, or a name to look for on PATH. */
export const programPath = ({ program, isTheirs }: Command, { binDirectory }: Place): string =>
  binDirectory === undefined || isTheirs ? program : `${binDirectory}/${program}`;

export function passedOn(environment: Readonly<Record<string, string | undefined>>): Readonly<Record<string, string>> {
  const kept: Record<string, string> = {};
  for (const name of PASSED_ON) {
    const value = environment[name];
    if (value !== undefined) kept[name] = value;
  }
  return kept;
}

/** The same words reach the program directly and through a remote shell, which would split and read any others. */
export const isPlainWord = (word: string): boolean => /^[A-Za-z0-9_.,:=@%+/-]+$/.test(word);

/**
 * All a program of Slurm's gets of our environment, and so all that `sbatch --export=ALL` could hand to a job. Left out
 * with intent: `SBATCH_*` overrides the script, `SQUEUE_*` and `SLURM_CLUSTERS` narrow a listing, secrets are nobody's.
 */
const PASSED_ON = [
  'PATH',
  'HOME',
  'USER',
  'LOGNAME',
  'LD_LIBRARY_PATH',
  'SLURM_CONF',
  'SLURM_CONF_SERVER',
  'SSH_AUTH_SOCK',
  'KRB5CCNAME',
] as const;

/** Behind a prefix the environment is another machine's: what would narrow or redirect a command there is taken away. */
const CLEARED_BEHIND_PREFIX = [
  'SLURM_CLUSTERS',
  'SQUEUE_ACCOUNT',
  'SQUEUE_LICENSES',
  'SQUEUE_NAMES',
  'SQUEUE_PARTITION',
  'SQUEUE_QOS',
  'SINFO_PARTITION',
  'SCANCEL_ACCOUNT',
  'SCANCEL_PARTITION',
  'SCANCEL_QOS',
  'SCANCEL_STATE',
] as const;
