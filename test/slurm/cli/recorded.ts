import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Ran } from '../../../src/slurm/cli/run.ts';

export const VERSIONS = ['22.05.8', '24.11.5', '26.05.5'] as const;
export type RecordedVersion = (typeof VERSIONS)[number];

export function recorded(version: RecordedVersion, file: string): string {
  return readFileSync(fileURLToPath(new URL(`../../fixtures/slurm/${version}/${file}`, import.meta.url)), 'utf8');
}

/** A transcript of commands as runs: what failed commands said stands on stderr. */
export function recordedRuns(version: RecordedVersion, file: string): readonly Ran[] {
  return recorded(version, file)
    .split(/^\$ /m)
    .slice(1)
    .map((text) => {
      const [command = '', ...lines] = text.trimEnd().split('\n');
      const code = Number(lines.pop()?.slice('exit='.length));
      return ran(command.split(' ', 1)[0] ?? '', code, lines.map((line) => `${line}\n`).join(''));
    });
}

export const ran = (program: string, code: number, stderr = '', stdout = ''): Ran => ({
  program,
  end: { how: 'exited', code },
  stdout,
  stderr,
});
