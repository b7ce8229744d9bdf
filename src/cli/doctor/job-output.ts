import type { DirectoryFact, HostFact, JobView, VenvFact } from '../../doctor/facts.ts';

/** What `config/launch/doctor.sh` prints. Lines of others, such as SLURM's own, are passed over. */
export type JobOutput = Omit<JobView, 'seesLogDirectory' | 'clockSkewMs'> & {
  readonly word: string;
  /** Epoch, ms, to the second. */
  readonly clockMs: number | undefined;
};

/** @returns undefined as long as the last line is not there */
export function readJobOutput(output: string, lastWord: string): JobOutput | undefined {
  const rows = output.split('\n').map((line) => line.split('\t'));
  const first = (key: string) => rows.find((row) => row[0] === key) ?? [];
  if (first('end')[1] !== lastWord) return undefined;
  const [, low, high] = first('ports').map(Number);
  const seconds = Number(first('time')[1]);
  return {
    node: first('node')[1] ?? 'a node',
    word: first('word')[1] ?? '',
    clockMs: Number.isInteger(seconds) && seconds > 0 ? seconds * 1000 : undefined,
    directories: rows.flatMap((row) => directoryIn(row)),
    venvs: rows.flatMap((row) => venvIn(row)),
    host: hostIn(first('host')),
    ...(low && high && { ephemeralPorts: { low, high } }),
  };
}

function directoryIn([key, path, is]: readonly string[]): readonly DirectoryFact[] {
  if (key !== 'directory' || path === undefined) return [];
  if (is !== 'writable' && is !== 'absent' && is !== 'unusable') return [];
  return [{ path, purpose: 'model cache', is }];
}

function venvIn([key, path, is, engine]: readonly string[]): readonly VenvFact[] {
  if (key !== 'venv' || path === undefined || (is !== 'there' && is !== 'absent')) return [];
  return [{ path, is, ...(engine !== undefined && engine !== '' && { engine }) }];
}

function hostIn([, program = '', engine = '']: readonly string[]): HostFact {
  return { ...(program !== '' && { program }), ...(engine !== '' && { engine }) };
}
