import path from 'node:path';
import { argumentFindings } from './argument-findings.ts';
import { directiveFindings } from './directive-findings.ts';
import { environmentFindings } from './environment-findings.ts';
import { type Finding, left, type Setting, warning } from './finding.ts';
import { optionsIn, type Serving, servingIn } from './serving.ts';
import { readScript } from './shell/commands.ts';
import { variableFindings } from './targets.ts';
import type { ShellVariables } from './values.ts';
import { type At, wordFindings } from './word-findings.ts';

export type JobScript = {
  readonly findings: readonly Finding[];
  /** Options of vLLM it gives, by name; undefined where not all of them can be known. */
  readonly flags: ReadonlySet<string> | undefined;
  /** Where vLLM is started; undefined where it is not. */
  readonly servesAt: number | undefined;
};

/** What a batch script says: its `#SBATCH` lines, what it exports and loads, and the flags it starts vLLM with. */
export function readJobScript(file: string, text: string, shell: ShellVariables): JobScript {
  const script = readScript(text, shell);
  const serving = script.commands.flatMap((command) => servingIn(command, shell));
  const [first, ...others] = serving;
  const at = (key: string, line: number): Setting => ({ key, place: { file, line } });
  const findings = [
    ...directiveFindings(file, text, shell),
    ...script.commands.flatMap((command) => environmentFindings(command, at)),
    ...[...script.exported, ...(first?.environment ?? [])].flatMap(({ name, value }) =>
      wordFindings(at(`export ${name}`, value.line), [value], (said) => variableFindings(name, said)),
    ),
    ...(first ? [...launchFindings(first, at), ...argumentFindings(optionsIn(first.words), at)] : []),
    ...others.map(({ line }) =>
      warning(
        'starts vLLM more than once: only the first is imported',
        { file, line: first?.line ?? 1 },
        { file, line },
      ),
    ),
  ];
  return { findings, flags: first && flagNames(first), servesAt: first?.line };
}

function launchFindings({ before, line }: Serving, at: At): readonly Finding[] {
  const programs = before.map(({ text }) => path.basename(text));
  const launcher = ['srun', 'mpirun', 'torchrun', 'ray', 'apptainer', 'singularity', 'docker', 'podman'].filter(
    (name) => programs.includes(name),
  );
  return launcher.map((name) =>
    left(
      at(`${name} …`, before.find(({ text }) => path.basename(text) === name)?.line ?? line),
      ['srun', 'mpirun', 'torchrun', 'ray'].includes(name)
        ? 'the operator starts the ranks itself: spec.launcher'
        : 'the operator starts containers itself: spec.runtime.type, spec.runtime.image and spec.runtime.mounts',
    ),
  );
}

function flagNames({ words }: Serving): ReadonlySet<string> | undefined {
  const options = optionsIn(words);
  if (options.some(({ flag }) => flag.certainty === 'unknown')) return undefined;
  return new Set(options.flatMap(({ name }) => (name === undefined ? [] : [name])));
}
