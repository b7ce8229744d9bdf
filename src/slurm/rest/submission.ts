import { err, ok, type Result } from '../../result.ts';
import { readDirectiveLines } from '../directive-lines.ts';
import { parseSlurmTime } from '../duration.ts';
import type { Submission } from '../slurm.ts';
import type { ApiVersion } from './versions.ts';

type Fields = Readonly<Record<string, unknown>>;
/** What an option becomes in the job's description; a string says why it becomes nothing. */
type Translation = (value: string, version: ApiVersion) => Fields | string;

/** It exists on every node, and nobody may write there: who wants output says where. */
const WORKING_DIRECTORY = '/';
/** What a shell finds when nobody says anything. The list may not be empty. */
const BARE_PATH = '/usr/local/bin:/usr/bin:/bin';

/**
 * The body of `job/submit`. The API reads no `#SBATCH` lines, so each is said in its words, and what has none there is
 * refused before anything is sent. Source: the OpenAPI documents of v0.0.38, v0.0.42 and v0.0.45.
 */
export function submissionBody({ name, script }: Submission, version: ApiVersion): Result<string, string> {
  const options = readDirectiveLines(script);
  if (!options.ok) return options;
  let job: Fields = {
    current_working_directory: WORKING_DIRECTORY,
    standard_output: '/dev/null',
    ...environment(undefined, version),
  };
  for (const [option, value] of options.value) {
    const translate = OPTIONS[option];
    const fields = translate ? translate(value, version) : 'it has no word for it';
    if (typeof fields === 'string') {
      const shown = value === '' ? `--${option}` : `--${option}=${value}`;
      return err(`slurmrestd cannot be told ${shown} in ${version.name}: ${fields}`);
    }
    job = { ...job, ...fields };
  }
  const described = { ...job, name };
  return ok(
    JSON.stringify(version.submission === 'flat' ? { script, job: described } : { job: { ...described, script } }),
  );
}

const text =
  (field: string): Translation =>
  (value) => ({ [field]: value });

const count =
  (field: string): Translation =>
  (value) =>
    /^\d{1,9}$/.test(value) ? { [field]: Number(value) } : 'it must be a whole number';

/** A field of its own where the version has one. */
const structured =
  (make: (value: string) => Fields | string, flat: Translation = () => NOT_IN_22_05): Translation =>
  (value, version) =>
    version.submission === 'flat' ? flat(value, version) : make(value);
const NOT_IN_22_05 = 'SLURM 22.05 has no word for it there; its commands have (cluster.type: slurm)';

const quantity = (number: number): Fields => ({ set: true, infinite: false, number });
const UNLIMITED = { set: true, infinite: true, number: 0 };
/** 22.05 takes Slurm's own number for it. Source: slurm.h INFINITE. */
const INFINITE = 0xffffffff;

const memory =
  (field: string): Translation =>
  (value, version) => {
    const mebibytes = mebibytesOf(value);
    if (mebibytes === undefined) return 'it must be a size such as 64G';
    return { [field]: version.submission === 'flat' ? mebibytes : quantity(mebibytes) };
  };

/** By long name, as `src/launch/directives.ts` writes them and `spec.slurm.extraArgs` may. */
const OPTIONS: Readonly<Record<string, Translation>> = {
  account: text('account'),
  comment: text('comment'),
  constraint: text('constraints'),
  'cpus-per-task': count('cpus_per_task'),
  dependency: text('dependency'),
  // Words that 22.05 understands and its own document does not name; those it names for these it ignores or forbids.
  exclude: structured((value) => ({ excluded_nodes: value.split(',') }), text('exclude_nodes')),
  exclusive: (value, version) => {
    if (value !== '') return 'only without a value';
    return version.submission === 'flat' ? { exclusive: 'exclusive' } : { shared: ['none'] };
  },
  export: (value, version) => (value === 'NONE' ? environment('NONE', version) : 'only NONE can be said'),
  gres: structured(
    (value) => ({
      tres_per_node: value
        .split(',')
        .map((one) => `gres/${one.replace(/^gres[:/]/, '')}`)
        .join(','),
    }),
    text('gres'),
  ),
  'job-name': text('name'),
  licenses: text('licenses'),
  'mail-user': text('mail_user'),
  mem: memory('memory_per_node'),
  'mem-per-gpu': structured((value) => {
    const mebibytes = mebibytesOf(value);
    return mebibytes === undefined ? 'it must be a size such as 64G' : { memory_per_tres: `gres/gpu:${mebibytes}` };
  }, memory('memory_per_gpu')),
  nice: (value) => (/^-?\d{1,9}$/.test(value) ? { nice: Number(value) } : 'only with a number'),
  'no-requeue': structured(
    () => ({ requeue: false }),
    () => ({ no_requeue: true }),
  ),
  nodelist: structured((value) => ({ required_nodes: value.split(',') }), text('nodelist')),
  // Words to 22.05 as well: the pair of numbers it documents is taken for one node.
  nodes: (value) => (/^\d{1,6}(?:-\d{1,6})?$/.test(value) ? { nodes: value } : 'it must be a number of nodes'),
  'ntasks-per-node': count('tasks_per_node'),
  'open-mode': (value, version) => ({ open_mode: version.submission === 'flat' ? value : [value.toUpperCase()] }),
  output: text('standard_output'),
  partition: text('partition'),
  prefer: text('prefer'),
  qos: text('qos'),
  reservation: text('reservation'),
  // 22.05 takes a signal for the steps alone, which are not to hear it: the batch shell is not warned. `Notices` says so.
  signal: structured(
    (value) => {
      const [, batch, signal, delay = '60'] = /^(B:)?(?:SIG)?([A-Z0-9]+)(?:@(\d{1,5}))?$/.exec(value) ?? [];
      if (signal === undefined) return 'it must be a signal such as B:USR1@120';
      return {
        kill_warning_signal: signal,
        kill_warning_delay: quantity(Number(delay)),
        ...(batch && { kill_warning_flags: ['BATCH_JOB'] }),
      };
    },
    (value) => (value.startsWith('B:') ? {} : { signal: value }),
  ),
  time: (value, version) => {
    const seconds = parseSlurmTime(value);
    if (seconds === undefined) return 'it must be a time of SLURM';
    const endless = !Number.isFinite(seconds) || seconds === 0;
    const minutes = Math.ceil(seconds / 60);
    if (version.submission === 'flat') return { time_limit: endless ? INFINITE : minutes };
    return { time_limit: endless ? UNLIMITED : quantity(minutes) };
  },
  wckey: text('wckey'),
};

/** `--export=NONE` has the node read the user's login environment, by this variable in every version. Source: sbatch.c. */
function environment(exported: 'NONE' | undefined, version: ApiVersion): Fields {
  const variables: Readonly<Record<string, string>> =
    exported === 'NONE' ? { SLURM_GET_USER_ENV: '1' } : { PATH: BARE_PATH };
  if (version.submission === 'flat') return { environment: variables };
  return { environment: Object.entries(variables).map(([name, value]) => `${name}=${value}`) };
}

/** Slurm counts in MiB where no unit is given. */
function mebibytesOf(size: string): number | undefined {
  const [, number, unit = 'M'] = /^(\d{1,9})([KMGT])?B?$/i.exec(size) ?? [];
  if (number === undefined) return undefined;
  const factors: Readonly<Record<string, number>> = { K: 1 / 1024, M: 1, G: 1024, T: 1024 ** 2 };
  return Math.ceil(Number(number) * (factors[unit.toUpperCase()] ?? 1));
}
