import { type Place, type Problem, problem } from './finding.ts';
import { readJobScript } from './job-script.ts';
import { readLaunchScripts } from './launch-scripts.ts';
import type { Reading, Surroundings } from './reading.ts';
import { isVecInf, readVecInf } from './vec-inf.ts';
import { type Entry, readEntries } from './yaml-entries.ts';

export type Source = Surroundings & {
  readonly text: string;
  /** Name of the source's file without its ending: what a script alone is called. */
  readonly stem: string;
};

/** What kind of source it is shows in its text. */
export function readSource(source: Source): Reading | { readonly problems: readonly Problem[] } {
  if (isScript(source.text)) return readScriptAlone(source);
  const entries = readEntries(source.file, source.text);
  if (!entries.ok) return { problems: entries.error };
  return isVecInf(entries.value) ? readVecInf(entries.value, source) : readLaunchScripts(entries.value, source);
}

export const isScript = (text: string): boolean => text.startsWith('#!') || /^#SBATCH\s/m.test(text);

/** Job scripts a config file names, as it names them; empty for every other source. */
export function scriptsNamedIn(file: string, text: string): readonly string[] {
  if (isScript(text)) return [];
  const entries = readEntries(file, text);
  const models: readonly Entry[] = entries.ok
    ? (entries.value.find(({ name }) => name === 'models')?.entries ?? [])
    : [];
  return models.flatMap(({ entries: own }) =>
    own.flatMap(({ name, value }) =>
      name === 'job_script' && typeof value === 'string' && value !== '' ? [value] : [],
    ),
  );
}

function readScriptAlone({ file, text, shell, stem }: Source): Reading {
  const place: Place = { file, line: 1 };
  const { findings, servesAt } = readJobScript(file, text, shell);
  const noStart = problem(
    place,
    'starts no vLLM: a line with `vllm serve` or `-m vllm.entrypoints.openai.api_server` is looked for',
  );
  return {
    format: 'job-script',
    shared: [],
    models: [
      {
        setting: { key: 'the script', place },
        name: stem,
        findings: servesAt === undefined ? [noStart, ...findings] : findings,
      },
    ],
  };
}
