import type { Check } from './checks.ts';
import type { DirectoryFact } from './facts.ts';
import { error, type Finding } from './finding.ts';

export const checkDirectories: Check = ({ directories }) =>
  directories.filter(({ purpose }) => purpose !== 'model cache').flatMap((fact) => unusable(fact, 'this machine'));

export const checkSharing: Check = ({ job }) => {
  if (!job) return undefined;
  if (!job.ok)
    return [
      error(
        `a small job did not run to its end: ${job.error}`,
        'a model would fare no better',
        'look at what SLURM says of it; without --job nothing is submitted',
      ),
    ];
  const { node, seesLogDirectory } = job.value;
  if (seesLogDirectory) return [];
  return [
    error(
      `${node} does not see what is written to the log directory here`,
      'logs of jobs cannot be read, and secrets cannot reach them',
      'set logDirectory to a file system that the compute nodes share with this machine',
    ),
  ];
};

export const checkCaches: Check = ({ directories, job }) => {
  const cache = ({ purpose }: DirectoryFact) => purpose === 'model cache';
  // What the node sees counts: a cache need not be known here at all.
  if (job?.ok) return job.value.directories.filter(cache).flatMap((fact) => unusable(fact, job.value.node));
  return directories.filter(cache).flatMap((fact) => unusable(fact, 'this machine'));
};

function unusable({ is, path, purpose, why }: DirectoryFact, where: string): readonly Finding[] {
  if (is !== 'unusable') return [];
  return [
    error(
      `the ${purpose} ${path} cannot be written on ${where}${why === undefined ? '' : `: ${why}`}`,
      MEANS[purpose],
      ADVICE[purpose],
    ),
  ];
}

const MEANS: Readonly<Record<DirectoryFact['purpose'], string>> = {
  'log directory': 'jobs cannot write their logs, and SLURM may refuse to start them',
  deployments: 'the operator cannot keep its state',
  'model cache': 'weights cannot be downloaded, and the engine ends at its start',
};
const ADVICE: Readonly<Record<DirectoryFact['purpose'], string>> = {
  'log directory': 'make it, or set logDirectory to a place that is yours',
  deployments: 'make it, or set directory to a place that is yours',
  'model cache': 'make it with write permission for the user of the jobs, or set model.cache.path',
};
